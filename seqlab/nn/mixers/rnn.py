"""Simple recurrent network (Elman 1990): h_t = tanh(x_t @ W + h_{t-1} @ U + b)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer, zeros
from seqlab.nn.mixers.recurrent import project_out
from seqlab.ops.dense import dense
from seqlab.ops.rnn import rnn


class RNN(Mixer):
  """hidden: units; 0 for the width (the hidden state is then the output)."""

  hidden: int = 0

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden = self.hidden or width
    start = state or self.init_state(x_BTD.shape[0], width, 0)
    x_BTF = dense(x_BTD, weight(self, "w_DF", (width, hidden)))
    x_BTF = axes.constrain(x_BTF + bias(self, "bias_F", (hidden,)).astype(x_BTF.dtype), "BTF")
    h_BTF = rnn(x_BTF, weight(self, "recurrent_FF", (hidden, hidden)), pos_BT == 0, start["h_BF"])
    y_BTD = project_out(self, h_BTF, x_BTD, self.hidden)
    return y_BTD, None if state is None else dict(h_BF=h_BTF[:, -1].astype(jnp.float32))

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return dict(h_BF=zeros(batch, self.hidden or width))
