"""minLSTM: an LSTM without the hidden state in its gates, hence a linear scan.

Feng 2024 ("Were RNNs all we needed?", arXiv:2410.01201, section 3.2 and appendix B):

    f_t, i_t = sigmoid(x_t @ W_f + b_f), sigmoid(x_t @ W_i + b_i), over their sum
    h_t = f_t * h_{t-1} + i_t * g(x_t @ W_h + b_h)

g as in minGRU; `positive=False` gives the paper's first form (g the identity).
"""

import jax
import jax.numpy as jnp

from seqlab.nn.mixers.parts import above_zero, check_finite, recurrence
from seqlab.nn.mixers.recurrent import Recurrent, gates
from seqlab.ops.backend import widened


class MinLSTM(Recurrent):
  """positive: candidates through g, else as they are. forget_bias: where the forget gate's bias
  starts.
  """

  positive: bool = True
  forget_bias: float = 0.0

  def check(self, width: int) -> None:
    super().check(width)
    check_finite(self, "forget_bias")

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTGF = widened(gates(self, x_BTD, hidden, (self.forget_bias, 0.0, 0.0)))
    # f / (f + i) = sigmoid(log f - log i), which does not divide by nothing where both are closed
    forget_BTF, input_BTF = (jax.nn.log_sigmoid(x_BTGF[:, :, gate]) for gate in range(2))
    share_BTF = jax.nn.sigmoid(forget_BTF - input_BTF)
    new_BTF = above_zero(x_BTGF[:, :, 2]) if self.positive else x_BTGF[:, :, 2]
    keep_BTF = jnp.where((pos_BT == 0)[..., None], 0.0, share_BTF)
    h_BTF = recurrence(keep_BTF, (1 - share_BTF) * new_BTF, start["h_BF"])
    return h_BTF, dict(h_BF=h_BTF[:, -1])
