"""Simple recurrent network (Elman 1990): h_t = tanh(x_t @ W + h_{t-1} @ U + b)."""

import jax

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.recurrent import Recurrent
from seqlab.ops.dense import dense
from seqlab.ops.rnn import rnn


class RNN(Recurrent):
  """Elman's network with tanh."""

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTF = dense(x_BTD, weight(self, "w_DF", (x_BTD.shape[-1], hidden)))
    x_BTF = axes.constrain(x_BTF + bias(self, "bias_F", (hidden,)).astype(x_BTF.dtype), "BTF")
    h_BTF = rnn(x_BTF, weight(self, "recurrent_FF", (hidden, hidden)), pos_BT == 0, start["h_BF"])
    return h_BTF, dict(h_BF=h_BTF[:, -1])
