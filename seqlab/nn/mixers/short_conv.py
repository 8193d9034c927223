"""A gated short convolution (LFM2, arXiv:2511.23404; the first operator of H3 and Hyena): a mixer
that sees a few tokens.

    b, c, u = x @ W;   y = (c * conv(b * u)) @ W_out
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import check_positive, to_hidden
from seqlab.ops.dense import dense


class ShortConv(Mixer):
  """size: tokens that it sees, its own among them."""

  size: int = 3

  def check(self, width: int) -> None:
    check_positive(self, "size")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start = self.before(x_BTD, state)
    b_BTF, c_BTF, u_BTF = (to_hidden(self, name, x_BTD, width) for name in "bcu")
    y_BTF, last = convolved(self, "u", b_BTF * u_BTF, pos_BT, start, self.size)
    y_BTD = dense(c_BTF * y_BTF, weight(self, "out_FD", (width, width)))
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return window("u", batch, self.size, width)
