"""A temporal convolutional network (Bai 2018, arXiv:1803.01271, section 3): causal convolutions
whose steps lie further apart from one to the next, with a residual path around each.

    x <- x + relu(x_t, x_{t-d}, x_{t-2d}, ... @ W + b)    for each dilation d

All of its dilations are one mixer, which sees 1 + (size - 1) * (sum of dilations) tokens. The
paper's block has two convolutions for each dilation, weight norm, and a relu after the sum.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import in_sight
from seqlab.nn.mixers.parts import check_positive
from seqlab.ops.dense import dense


class TCN(Mixer):
  """size: tokens that a convolution sees. dilations: the distance of these tokens, convolution by
  convolution.
  """

  size: int = 3
  dilations: tuple[int, ...] = (1, 2, 4, 8)

  def check(self, width: int) -> None:
    check_positive(self, "size")
    if not self.dilations or min(self.dilations) < 1:
      raise UserError(f"dilations={self.dilations}: one or more, each of 1 or more")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start, last = self.before(x_BTD, state), {}
    x_BTF = x_BTD
    for i, dilation in enumerate(self.dilations):
      name = f"x{i}_BWF"
      x_BTWF, last[name] = in_sight(x_BTF, pos_BT, start[name], self.size, dilation)
      y_BTF = dense(x_BTWF, weight(self, f"w{i}_WDF", (self.size, width, width)), contract=2)
      y_BTF = axes.constrain(y_BTF, "BTF") + bias(self, f"bias{i}_F", (width,)).astype(y_BTF.dtype)
      # whole, as windows of shards have wrong gradients from XLA's partitioner
      x_BTF = axes.constrain(x_BTF + jax.nn.relu(y_BTF), "BTD")
    y_BTD = dense(x_BTF, weight(self, "out_FD", (width, width)))
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return {
      f"x{i}_BWF": jnp.zeros((batch, (self.size - 1) * dilation, width), jnp.float32)
      for i, dilation in enumerate(self.dilations)
    }
