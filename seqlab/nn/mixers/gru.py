"""Gated recurrent unit (Cho 2014, arXiv:1406.1078).

r, z = sigmoid(x_t @ W_rz + h_{t-1} @ U_rz + b_rz)
n = tanh(x_t @ W_n + b_n + r * (h_{t-1} @ U_n + b_h))     reset_after=True: cuDNN's and
PyTorch's form n = tanh(x_t @ W_n + b_n + (r * h_{t-1}) @ U_n + b_h)     reset_after=False: the
paper's h_t = (1 - z) * n + z * h_{t-1}
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias
from seqlab.nn.mixers.base import Mixer, zeros
from seqlab.nn.mixers.recurrent import gates, project_out, recurrent_weight
from seqlab.ops.gru import gru


class GRU(Mixer):
  """hidden: units; 0 for the width. reset_after: where the reset gate acts."""

  hidden: int = 0
  reset_after: bool = True

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    hidden = self.hidden or x_BTD.shape[-1]
    start = state or self.init_state(x_BTD.shape[0], x_BTD.shape[-1], 0)
    x_BTGF = gates(self, x_BTD, 3, hidden, (0.0, 0.0, 0.0))
    w_FGF, bias_F = recurrent_weight(self, 3, hidden), bias(self, "recurrent_bias_F", (hidden,))
    h_BTF = gru(x_BTGF, w_FGF, bias_F, pos_BT == 0, start["h_BF"], reset_after=self.reset_after)
    y_BTD = project_out(self, h_BTF, x_BTD, self.hidden)
    return y_BTD, None if state is None else dict(h_BF=h_BTF[:, -1].astype(jnp.float32))

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return dict(h_BF=zeros(batch, self.hidden or width))
