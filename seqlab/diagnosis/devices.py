"""Whether the devices compute what they should, and how fast: a product, a sum over all, a step."""

import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from seqlab import axes, flops
from seqlab.diagnosis import Failed


def product(size: int = 2048) -> str:
  """A product of matrices on the first device, in float32 and in bfloat16, against numpy's."""
  said = []
  drawn = np.random.default_rng(0).standard_normal((2, size, size), np.float32)
  wanted, multiply = drawn[0, :8] @ drawn[1], jax.jit(jnp.matmul)
  for dtype in (jnp.float32, jnp.bfloat16):  # a TPU multiplies both in bfloat16
    x, y = (jax.device_put(each.astype(dtype), jax.devices()[0]) for each in drawn)
    seconds, got = timed(multiply, x, y)
    wrong = float(np.abs(np.asarray(got[:8], np.float32) - wanted).max()) / size**0.5
    if not wrong < 0.05:
      raise Failed(f"a product of {jnp.dtype(dtype).name} is off by {wrong:.2g} of its size")
    rate, peak = 2 * size**3 / seconds, flops.peak()
    share = f" ({rate / peak:.0%} of its peak)" if peak and dtype is jnp.bfloat16 else ""
    said.append(f"{jnp.dtype(dtype).name} {rate / 1e12:.3g} TFLOP/s{share}")
  return ", ".join(said)


def collectives(megabytes: int = 32) -> str:
  """The sum over all devices of an array that each has a part of."""
  devices = jax.device_count()
  if devices == 1:
    return "one device, nothing to sum over"
  mesh = axes.make_mesh({"data": -1})
  size = megabytes * (1 << 18)  # float32 values of each device
  by_device = jax.sharding.NamedSharding(mesh, P("data"))
  x = jax.jit(lambda: jnp.ones((devices, size)), out_shardings=by_device)()
  whole = jax.sharding.NamedSharding(mesh, P())
  add = jax.jit(lambda x: x.sum(0), out_shardings=whole)
  seconds, total = timed(add, x)
  if not bool(jnp.all(total == devices)):
    raise Failed(f"the sum of 1 over {devices} devices is not {devices}")
  rate = 2 * (devices - 1) / devices * megabytes / 1e3 / seconds
  return f"{megabytes} MB summed over {devices} devices at {rate:.3g} GB/s a device"


def timed(fn: Callable[..., Any], *of: Any) -> tuple[float, Any]:
  """(the least seconds of five calls after a first one, what they give)."""
  result = jax.block_until_ready(fn(*of))
  took = []
  for _ in range(5):
    began = time.perf_counter()
    result = jax.block_until_ready(fn(*of))
    took.append(time.perf_counter() - began)
  return min(took), result


def found() -> str:
  """What jax computes on is what the machine has."""
  backend = jax.default_backend()
  gpus = [path.name for path in pathlib.Path("/dev").glob("nvidia[0-9]*")]
  if gpus and backend == "cpu":
    raise Failed(f"{len(gpus)} GPUs are here and jax uses the CPU: pip install 'jax[cuda13]'")
  return f"jax computes on {jax.device_count()} {backend}"


CHECKS = dict(devices=found, product=product, collectives=collectives)
