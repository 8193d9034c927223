"""Two mixers side by side on one input (Hymba, arXiv:2411.13676, equation 3): the mean of their
outputs, each under a norm of its own.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import Norm
from seqlab.nn.mixers.base import Mixer, prefixed
from seqlab.nn.mixers.bidirectional import both_ways


class Parallel(Mixer):
  """left, right: the mixers."""

  left: Mixer
  right: Mixer

  @property
  def rounds(self) -> bool:  # type: ignore[override]
    return self.left.rounds or self.right.rounds

  def check(self, width: int) -> None:
    self.left.check(width)
    self.right.check(width)

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    after, sum_BTD = {}, jnp.zeros_like(x_BTD)
    for name, mixer in dict(left=self.left, right=self.right).items():
      more = (prefix_BT,) if mixer.reads_prefix else ()
      y_BTD, after[name] = mixer(x_BTD, pos_BT, state and state[name], *more)
      sum_BTD += 0.5 * Norm(name=f"{name}_norm")(y_BTD)
    return sum_BTD, None if state is None else after

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    both = dict(left=self.left, right=self.right).items()
    return {name: mixer.init_state(batch, width, capacity, dtype) for name, mixer in both}

  def noncausal(self) -> Mixer | None:
    return Parallel(both_ways(self.left), both_ways(self.right), parent=None)

  def prefixed(self) -> Mixer | None:
    """The same with both sides so, where one has such a form."""
    sides = prefixed(self.left), prefixed(self.right)
    of_prefixes = any(side.reads_prefix for side in sides)
    return ParallelOverPrefix(*sides, parent=None) if of_prefixes else None


class ParallelOverPrefix(Parallel):
  """The same, one side at least with its causal mask lifted inside a prefix."""

  reads_prefix: ClassVar[bool] = True
