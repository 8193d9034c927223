"""What every op asks before it picks a form: where it will run, and how wide it must accumulate.

Owes the rest: `backend()` is read at trace time, so a function traced under `reference_forms()`
keeps those forms for as long as jax keeps its trace; trace a fresh function (`jax.make_jaxpr`) to
count FLOPs.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar("backend", default=None)


def backend() -> str:
  """Returns "cpu", "gpu" or "tpu" (or "reference" inside `reference_forms()`)."""
  forced = _forced.get()
  if forced is not None:
    return forced
  name = jax.default_backend()
  return {"cuda": "gpu", "rocm": "gpu"}.get(name, name)


@contextlib.contextmanager
def forced_backend(name: str) -> Iterator[None]:
  """Makes every op traced inside take the forms of `name`; for tests and benchmarks."""
  token = _forced.set(name)
  try:
    yield
  finally:
    _forced.reset(token)


def reference_forms() -> contextlib.AbstractContextManager[None]:
  """Inside, every op traces its naive form: plain XLA, no custom call, every FLOP visible in the
  jaxpr.
  """
  return forced_backend("reference")


def wide(dtype) -> jnp.dtype:
  """The dtype in which values of `dtype` are accumulated: float32 at least."""
  return jnp.promote_types(dtype, jnp.float32)


def widened(x):
  """x in the dtype in which its values are accumulated."""
  return x.astype(wide(x.dtype))


@jax.custom_vjp
def materialised(x):
  """Returns x, and on a CPU makes XLA write x, and the gradient that comes back, to memory once.

  XLA:CPU would rather compute an element-wise chain again for each of its readers; around the
  residual stream of a deep network it ends up computing all layers' sums again for each layer.
  """
  return lax.optimization_barrier(x) if backend() == "cpu" else x


materialised.defvjp(
  lambda x: (materialised(x), None),
  lambda _, dx: (lax.optimization_barrier(dx) if backend() == "cpu" else dx,),
)


def after(x, y):
  """Returns the integers x, which XLA can have only once the floats y are made.

  What a loop carries is updated in place only where the graph shows that all readers come first;
  XLA:CPU drops an optimization barrier before it asks, and copies.
  """
  first = y[(slice(0, 1),) * y.ndim].ravel()  # cut before it is flattened: y may be sharded
  bits = lax.bitcast_convert_type(first.astype(jnp.float32), jnp.int32)
  return x + (lax.population_count(bits) >> 6)  # at most 32 bits are set, so 0
