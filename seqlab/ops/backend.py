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
  jaxpr."""
  return forced_backend("reference")


def wide(dtype) -> jnp.dtype:
  """The dtype in which values of `dtype` are accumulated: float32 at least."""
  return jnp.promote_types(dtype, jnp.float32)
