"""Learning rates over the steps of a run: the members of `config.schedule`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from seqlab.spec import make, parse_one

Schedule = Callable[[jax.Array], jax.Array]


def cosine(steps: int, warmup: int = 0, final: float = 0.1) -> Schedule:
  """Down a half cosine to `final` at the end of the last step (arXiv:1608.03983)."""
  return _warm(
    warmup, lambda t: final + (1 - final) * 0.5 * (1 + jnp.cos(jnp.pi * _share(t, warmup, steps)))
  )


def wsd(steps: int, warmup: int = 0, decay: float = 0.2, final: float = 0.0) -> Schedule:
  """Warm-up, stable, decay: linear to `final` over the last `decay` share of the steps
  (arXiv:2404.06395).
  """
  start = round(steps * (1 - decay))
  return _warm(warmup, lambda t: 1 - (1 - final) * _share(t, start, steps))


def constant(steps: int, warmup: int = 0) -> Schedule:
  """No decay."""
  return _warm(warmup, jnp.ones_like)


def inverse_sqrt(steps: int, warmup: int = 100) -> Schedule:
  """Down with 1/sqrt(step) after the warm-up (arXiv:1706.03762, eq. 3)."""
  return _warm(warmup, lambda t: jnp.sqrt(max(warmup, 1) / jnp.maximum(t, max(warmup, 1))))


def step(steps: int, every: int, factor: float = 0.1, warmup: int = 0) -> Schedule:
  """Times `factor` after each `every` steps."""
  return _warm(warmup, lambda t: factor ** jnp.floor(t / every))


def per_epoch(
  steps: int, steps_per_epoch: int, factor: float, start: int = 1, warmup: int = 0
) -> Schedule:
  """Full rate for `start` epochs, then times `factor` at the beginning of each epoch
  (arXiv:1409.2329, section 4).
  """
  return _warm(
    warmup, lambda t: factor ** jnp.maximum(jnp.floor(t / steps_per_epoch) + 1 - start, 0)
  )


SCHEDULES: dict[str, Callable[..., Schedule]] = dict(
  cosine=cosine,
  wsd=wsd,
  constant=constant,
  inverse_sqrt=inverse_sqrt,
  step=step,
  per_epoch=per_epoch,
)


def make_schedule(text: str, lr: Any, steps: int, steps_per_epoch: int) -> Schedule:
  """The learning rate of each step, from a spec such as `"cosine(warmup=100)"`."""
  call = parse_one(text, "config.schedule")
  given = dict(steps=steps)
  if call.name == "per_epoch":
    given["steps_per_epoch"] = steps_per_epoch
  factor = make(call, SCHEDULES, "config.schedule", **given)
  return lambda t: lr * factor(jnp.asarray(t, jnp.float32))


def _share(t: jax.Array, start: int, end: int) -> jax.Array:
  return jnp.clip((t - start) / max(end - start, 1), 0, 1)


def _warm(warmup: int, schedule: Schedule) -> Schedule:
  return lambda t: schedule(t) * jnp.minimum((t + 1) / max(warmup, 1), 1)
