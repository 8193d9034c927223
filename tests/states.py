"""Train states for the tests of checkpoints: every container and dtype, on any mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from seqlab.checkpoint import Checkpoints


def make_state(step: int = 1, width: int = 8):
  """A train state with what Orbax stumbles over: namedtuples, empty trees, None, no elements."""
  # by numpy: processes that compile in different ways must agree in every bit
  q_DHK = np.random.default_rng(step).standard_normal((2, width, 4)).astype(np.float32)
  params = {
    "model": {
      "blocks_L": {"q_DHK": jnp.asarray(q_DHK)},
      "scale_D": jnp.arange(width, dtype=jnp.bfloat16) + step,
      "none_DF": jnp.zeros((0, 3)),
    }
  }
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3), optax.trace(0.9))
  opt = optimizer.init(params["model"])
  opt = jax.tree.map(lambda x: x + jnp.asarray(step, x.dtype), opt)
  extra = {
    "mask": jnp.array([True, False]),
    "empty": {},
    "nothing": None,
    "pair": (jnp.ones(2), ()),
  }
  return {"step": jnp.int32(step), "params": params, "opt": {"model": opt}, "extra": extra}


def assert_same(got, wanted):
  assert jax.tree.structure(got) == jax.tree.structure(wanted)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def save_steps(directory, numbers, **kwargs):
  with Checkpoints(directory, **kwargs) as checkpoints:
    for step in numbers:
      checkpoints.save(step, make_state(step), {"loss": 1.0 / step})


def lay(state, devices: int):
  """Shards every leaf's first axis that divides over a mesh of so many devices."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("data",))

  def put(x):
    axes = [a for a, n in enumerate(x.shape) if n and n % devices == 0]
    spec = P(*["data" if axes and a == axes[0] else None for a in range(x.ndim)])
    return jax.device_put(x, NamedSharding(mesh, spec))

  return jax.tree.map(put, state)
