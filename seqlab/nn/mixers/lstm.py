"""Long short-term memory (Hochreiter 1997; forget gate of Gers 2000; the form of Graves,
arXiv:1308.0850, no peepholes).

    i, f, g, o = x_t @ W + h_{t-1} @ U + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)

The gates' order is PyTorch's and cuDNN's. The forget bias starts at 1 (Jozefowicz 2015).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.mixers.base import Mixer, zeros
from seqlab.nn.mixers.recurrent import gates, project_out, recurrent_weight
from seqlab.ops.lstm import lstm


class LSTM(Mixer):
  """hidden: cells; 0 for the width (the hidden state is then the output). forget_bias: its first
  value."""

  hidden: int = 0
  forget_bias: float = 1.0

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    hidden = self.hidden or x_BTD.shape[-1]
    start = state or self.init_state(x_BTD.shape[0], x_BTD.shape[-1], 0)
    x_BTGF = gates(self, x_BTD, 4, hidden, (0.0, self.forget_bias, 0.0, 0.0))
    w_FGF = recurrent_weight(self, 4, hidden)
    h_BTF, h_BF, c_BF = lstm(x_BTGF, w_FGF, pos_BT == 0, start["h_BF"], start["c_BF"])
    y_BTD = project_out(self, h_BTF, x_BTD, self.hidden)
    return y_BTD, None if state is None else dict(h_BF=h_BF, c_BF=c_BF)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    hidden = self.hidden or width
    return dict(h_BF=zeros(batch, hidden), c_BF=zeros(batch, hidden))
