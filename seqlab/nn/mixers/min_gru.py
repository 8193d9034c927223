"""minGRU: a gated recurrence without the hidden state in its gates, hence a linear scan.

Feng 2024 ("Were RNNs all we needed?", arXiv:2410.01201, section 3.1 and appendix B):

    z_t = sigmoid(x_t @ W_z + b_z)
    h_t = (1 - z_t) * h_{t-1} + z_t * g(x_t @ W_h + b_h)

g is x + 0.5 for x >= 0 and sigmoid(x) below: positive, as the paper's log-space scan wants it. This
scan runs in linear space, so `positive=False` gives the paper's first form (g the identity) as
well.
"""

import jax
import jax.numpy as jnp

from seqlab.nn.mixers.parts import above_zero, recurrence
from seqlab.nn.mixers.recurrent import Recurrent, gates
from seqlab.ops.backend import widened


class MinGRU(Recurrent):
  """positive: candidates through g, else as they are."""

  positive: bool = True

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTGF = widened(gates(self, x_BTD, hidden, (0.0, 0.0)))
    update_BTF, new_BTF = jax.nn.sigmoid(x_BTGF[:, :, 0]), x_BTGF[:, :, 1]
    if self.positive:
      new_BTF = above_zero(new_BTF)
    keep_BTF = jnp.where((pos_BT == 0)[..., None], 0.0, 1 - update_BTF)
    h_BTF = recurrence(keep_BTF, update_BTF * new_BTF, start["h_BF"])
    return h_BTF, dict(h_BF=h_BTF[:, -1])
