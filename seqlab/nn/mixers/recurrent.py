"""What recurrent mixers share: the way in from the width to gates, the way out, and a state of
fixed size.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import check_not_negative
from seqlab.ops.dense import dense


class Recurrent(Mixer):
  """A recurrence over `hidden` units; 0 for the width, and the hidden state is then the output as
  it is.

  A member says in `recur` what happens between the input and the hidden states; one that carries
  more than the hidden state says so in `init_state`.
  """

  hidden: int = 0

  def check(self, width: int) -> None:
    check_not_negative(self, "hidden")

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    """Hidden states [B, T, F] and the state after the last; a state is zeroed before a step of
    position 0.
    """
    raise NotImplementedError

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start = self.before(x_BTD, state)
    h_BTF, last = self.recur(x_BTD, pos_BT, start, self.hidden or width)
    y_BTD = h_BTF.astype(x_BTD.dtype)
    if self.hidden:
      y_BTD = dense(y_BTD, weight(self, "out_FD", (self.hidden, width)))
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    """Zeros in float32: a state in bfloat16 forgets what it adds up."""
    return dict(h_BF=jnp.zeros((batch, self.hidden or width), jnp.float32))


def gates(module: nn.Module, x_BTD: jax.Array, hidden: int, biases: tuple[float, ...]) -> jax.Array:
  """`x @ w_DGF + bias_GF`: all gates and times in one product; each gate's bias starts at its
  number.
  """
  count = len(biases)
  w_DGF = weight(module, "w_DGF", (x_BTD.shape[-1], count, hidden))
  first_G1 = jnp.asarray(biases, jnp.float32)[:, None]
  bias_GF = started(module, "bias_GF", lambda _: jnp.broadcast_to(first_G1, (count, hidden)))
  return axes.constrain(dense(x_BTD, w_DGF) + bias_GF.astype(x_BTD.dtype), "BTGF")


def recurrent_weight(module: nn.Module, count: int, hidden: int) -> jax.Array:
  """`recurrent_FGF`, from the hidden state to all gates, with the variance of PyTorch's uniform
  ±1/sqrt(hidden).
  """
  return weight(module, "recurrent_FGF", (hidden, count, hidden), std=1 / math.sqrt(3 * hidden))
