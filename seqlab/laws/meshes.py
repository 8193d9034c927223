"""What is the same on every mesh."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from seqlab import axes
from seqlab.laws.base import DOCUMENTS, LENGTH, VOCAB, WIDTH, LawBroken, NotApplicable, equal
from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.mixers import Mixer
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel
from seqlab.objectives.base import Batch, Objective
from seqlab.optim import make_optimizer
from seqlab.step import State, init_state, make_train_step


def sharding(mixer: Mixer, sizes: dict[str, int] | None = None) -> None:
  """A small decoder has the same loss and gradients on a mesh of 8 devices as on one. In float64:
  a partition that is right is exact there, however much a mixer makes of what is rounded.

  Raises:
    NotApplicable: there are fewer than 8 devices.
  """
  if len(jax.devices()) < 8:
    raise NotApplicable("needs 8 devices; on a CPU set JAX_NUM_CPU_DEVICES=8")
  sizes = sizes or dict(data=2, fsdp=2, tensor=2)
  layer = Layer(mixer, Plain(ratio=2))
  decoder = Decoder(vocab=VOCAB, width=WIDTH, depth=1, layers=(layer,), dtype="float64")
  tokens_BT = np.random.default_rng(0).integers(0, VOCAB, (8, LENGTH + 1)).astype(np.int32)
  batch = dict(
    tokens_BT=tokens_BT[:, :-1],
    labels_BT=tokens_BT[:, 1:],
    pos_BT=np.tile(np.concatenate([np.arange(n) for n in DOCUMENTS[0]]), (8, 1)).astype(np.int32),
    weight_BT=np.ones((8, LENGTH), np.float32),
  )
  objective, key = LanguageModel(Network(decoder)), jax.random.key(0)
  shapes, draw = jax.eval_shape(objective.init, key, batch), np.random.default_rng(0)
  params = jax.tree.map(lambda x: 0.3 * draw.standard_normal(x.shape), shapes)

  def found(mesh: Mesh) -> dict[str, np.ndarray]:
    with axes.use_mesh(mesh):
      run = jax.jit(jax.value_and_grad(lambda p, b: objective.loss("model", p, b, None, {})[0]))
      where = axes.sharding(params, mesh)
      loss, grads = run(jax.device_put(params, where), axes.put_batch(batch, mesh))
      return by_path(jax.device_get({"loss": loss, **grads}))

  with jax.enable_x64(True):
    one = found(axes.make_mesh({}, jax.devices()[:1]))
    many = found(axes.make_mesh(sizes, jax.devices()[:8]))
  for path, wanted in one.items():
    what = "the loss" if path == "loss" else f"the gradient of {path}"
    equal(f"{what} on {sizes} against one device", many[path], wanted, 1e-6)


def same_on_a_mesh(
  objective: Objective, batch: Batch, sizes: dict[str, int], steps: int = 5
) -> None:
  """An objective's losses over some steps are the same on a mesh of 8 devices as on one."""
  optimizer = make_optimizer("adamw()", lambda step: jnp.asarray(1e-2), clip=1.0)
  optimizers = dict.fromkeys(objective.players, optimizer)
  fresh = jax.jit(lambda: init_state(objective, optimizers, jax.random.key(0), batch, 8))()
  step = make_train_step(objective, optimizers, seed=0)
  meshes = (axes.make_mesh({}, jax.devices()[:1]), axes.make_mesh(sizes, jax.devices()[:8]))
  one, many = (losses(step, fresh, batch, mesh, steps) for mesh in meshes)
  worst = max(abs(a - b) for a, b in zip(many, one, strict=True))
  if not worst <= 1e-5:
    raise LawBroken(f"losses on {sizes} are off by {worst:.1e} from one device's; 1e-05 allowed")


def losses(train_step: Callable, state: State, batch: Batch, mesh: Any, steps: int) -> list[float]:
  """Losses of the first steps from a state on a mesh, of a batch of 8 rows, player after player."""
  with axes.use_mesh(mesh):
    state = jax.device_put(state, axes.sharding(state, mesh))
    step = jax.jit(train_step)
    found = []
    for _ in range(steps):
      state, metrics = step(state, axes.put_batch(batch, mesh))
      told = (metrics[name] for name in sorted(metrics) if name.endswith("loss"))
      found += [float(total) / float(weight) for total, weight in told]
  return found
