"""Gated recurrent unit (Cho 2014, arXiv:1406.1078).

r, z = sigmoid(x_t @ W_rz + h_{t-1} @ U_rz + b_rz)
n = tanh(x_t @ W_n + b_n + r * (h_{t-1} @ U_n + b_h))    reset_after=True: cuDNN's and PyTorch's
n = tanh(x_t @ W_n + b_n + (r * h_{t-1}) @ U_n + b_h)    reset_after=False: the paper's
h_t = (1 - z) * n + z * h_{t-1}
"""

import jax

from seqlab.nn.layers import bias
from seqlab.nn.mixers.recurrent import Recurrent, gates, recurrent_weight
from seqlab.ops.gru import gru


class GRU(Recurrent):
  """reset_after: whether the reset gate acts on the product with the hidden state, or on the state
  before it.
  """

  reset_after: bool = True

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTGF = gates(self, x_BTD, hidden, (0.0, 0.0, 0.0))
    w_FGF, bias_F = recurrent_weight(self, 3, hidden), bias(self, "recurrent_bias_F", (hidden,))
    h_BTF = gru(x_BTGF, w_FGF, bias_F, pos_BT == 0, start["h_BF"], reset_after=self.reset_after)
    return h_BTF, dict(h_BF=h_BTF[:, -1])
