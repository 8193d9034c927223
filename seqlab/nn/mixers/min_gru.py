"""minGRU: a gated recurrence without the hidden state in its gates, hence a linear scan.

Feng 2024 ("Were RNNs all we needed?", arXiv:2410.01201, section 3.1 and appendix B):

    z_t = sigmoid(x_t @ W_z + b_z)
    h_t = (1 - z_t) * h_{t-1} + z_t * g(x_t @ W_h + b_h)

g is x + 0.5 for x >= 0 and sigmoid(x) below: positive, as the paper's log-space scan wants it. This
scan runs in linear space, so `positive=False` gives the paper's first form (g the identity) as
well.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.mixers.base import Mixer, zeros
from seqlab.nn.mixers.recurrent import gates, project_out
from seqlab.ops.linear_recurrence import linear_recurrence


class MinGRU(Mixer):
  """hidden: units; 0 for the width. positive: candidates through g, else as they are."""

  hidden: int = 0
  positive: bool = True

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    hidden = self.hidden or x_BTD.shape[-1]
    start = state or self.init_state(x_BTD.shape[0], x_BTD.shape[-1], 0)
    x_BTGF = gates(self, x_BTD, 2, hidden, (0.0, 0.0)).astype(jnp.float32)
    update_BTF, new_BTF = jax.nn.sigmoid(x_BTGF[:, :, 0]), x_BTGF[:, :, 1]
    if self.positive:
      new_BTF = jnp.where(new_BTF >= 0, new_BTF + 0.5, jax.nn.sigmoid(new_BTF))
    keep_BTF = jnp.where((pos_BT == 0)[..., None], 0.0, 1 - update_BTF)
    h_BTF = linear_recurrence(keep_BTF, update_BTF * new_BTF, start["h_BF"])
    y_BTD = project_out(self, h_BTF, x_BTD, self.hidden)
    return y_BTD, None if state is None else dict(h_BF=h_BTF[:, -1])

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return dict(h_BF=zeros(batch, self.hidden or width))
