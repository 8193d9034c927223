"""Long short-term memory (Hochreiter 1997) with the forget gate of Gers 2000.

    i, f, g, o = x_t @ W + h_{t-1} @ U + b
    c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)

The gates' order is PyTorch's and cuDNN's. With peepholes (Gers & Schmidhuber 2000, equations 2 to
6) i and f also see p * c_{t-1}, and o sees p * c_t; the p begin at 0.
"""

from typing import Any

import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias
from seqlab.nn.mixers.parts import check_finite
from seqlab.nn.mixers.recurrent import Recurrent, gates, recurrent_weight
from seqlab.ops.lstm import lstm


class LSTM(Recurrent):
  """forget_bias: where the forget gate's bias starts; 1 lets gradients through early on (Jozefowicz
  2015). peephole: gates see the cell.
  """

  forget_bias: float = 1.0
  peephole: bool = False

  def check(self, width: int) -> None:
    super().check(width)
    check_finite(self, "forget_bias")

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTGF = gates(self, x_BTD, hidden, (0.0, self.forget_bias, 0.0, 0.0))
    w_FGF = recurrent_weight(self, 4, hidden)
    peep_GF = bias(self, "peep_bias_GF", (3, hidden)) if self.peephole else None
    h_BTF, h_BF, c_BF = lstm(x_BTGF, w_FGF, pos_BT == 0, start["h_BF"], start["c_BF"], peep_GF)
    return h_BTF, dict(h_BF=h_BF, c_BF=c_BF)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    h_BF = super().init_state(batch, width, capacity)["h_BF"]
    return dict(h_BF=h_BF, c_BF=h_BF)
