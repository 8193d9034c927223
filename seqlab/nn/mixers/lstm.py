"""Long short-term memory (Hochreiter 1997) with the forget gate of Gers 2000, without peepholes.

    i, f, g, o = x_t @ W + h_{t-1} @ U + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)

The gates' order is PyTorch's and cuDNN's.
"""

from typing import Any

import jax
import jax.numpy as jnp

from seqlab.nn.mixers.recurrent import Recurrent, gates, recurrent_weight
from seqlab.ops.lstm import lstm


class LSTM(Recurrent):
  """forget_bias: where the forget gate's bias starts; 1 lets gradients through early on (Jozefowicz
  2015).
  """

  forget_bias: float = 1.0

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTGF = gates(self, x_BTD, hidden, (0.0, self.forget_bias, 0.0, 0.0))
    w_FGF = recurrent_weight(self, 4, hidden)
    h_BTF, h_BF, c_BF = lstm(x_BTGF, w_FGF, pos_BT == 0, start["h_BF"], start["c_BF"])
    return h_BTF, dict(h_BF=h_BF, c_BF=c_BF)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    h_BF = super().init_state(batch, width, capacity)["h_BF"]
    return dict(h_BF=h_BF, c_BF=h_BF)
