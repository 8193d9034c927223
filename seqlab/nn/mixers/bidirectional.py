"""Any mixer, read in both directions (Schuster & Paliwal 1997): for encoders, which have the whole
sequence.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from seqlab.nn.mixers.base import Mixer


def both_ways(mixer: Mixer) -> Mixer:
  """What an encoder makes of a mixer."""
  return mixer.noncausal() or Bidirectional(mixer, parent=None)


class Bidirectional(Mixer):
  """`mixer` on the sequence plus another of its kind on the sequence reversed, document by
  document.
  """

  mixer: Mixer

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, None]:
    if state is not None:
      raise TypeError("a mixer read both ways takes whole sequences and has no state")
    forward, backward = (self.mixer.clone(parent=self, name=n) for n in ("forward", "backward"))
    y_BTD, _ = forward(x_BTD, pos_BT)
    z_BTD, _ = backward(x_BTD[:, ::-1], from_the_end(pos_BT)[:, ::-1])
    return y_BTD + z_BTD[:, ::-1], None

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    raise TypeError("a mixer read both ways has no state")

  def check(self, width: int) -> None:
    self.mixer.check(width)


def from_the_end(pos_BT: jax.Array) -> jax.Array:
  """How many tokens of its document come after each token, int32 [B, T]."""
  length = pos_BT.shape[1]
  time_T = jnp.arange(length, dtype=jnp.int32)
  begins_BT = jnp.where(pos_BT == 0, time_T, length)
  next_BT = jnp.concatenate([begins_BT[:, 1:], jnp.full_like(begins_BT[:, :1], length)], 1)
  return lax.cummin(next_BT, axis=1, reverse=True) - 1 - time_T
