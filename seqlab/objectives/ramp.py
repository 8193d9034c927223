"""A weight that rises while a player learns."""

from typing import Any

import jax.numpy as jnp


class Ramp:
  """From 0 to 1 over the first `steps` turns, which `extra["turns"]` counts; 1 where it is 0."""

  def __init__(self, steps: int):
    self.steps = steps

  def init_extra(self) -> dict[str, Any]:
    return {"turns": jnp.zeros((), jnp.int32)} if self.steps else {}

  def turn(self, extra: dict) -> tuple[Any, dict]:
    """The weight of this turn, and `extra` after it."""
    if not self.steps:
      return 1.0, extra
    turns = extra["turns"]
    return jnp.minimum(turns / self.steps, 1), extra | {"turns": turns + 1}
