"""Gated linear attention (Yang 2023, arXiv:2312.06635, section 4).

S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T,   y_t = q_t S_t                equation 3
g_t = logsigmoid(x_t @ W_1 @ W_2 + b) / 16                               a decay a key channel
out = (norm(y) * silu(x @ W_gate)) @ W
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  gated,
  heads_first,
  projected,
  to_width,
)
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.linear_attention import linear_attention

SLOWNESS = 16.0  # the paper's tau


class GLA(Mixer):
  """heads. key_width: of a head, 0 for half of a value's. rank: of the map to decays."""

  heads: int = 4
  key_width: int = 0
  rank: int = 16

  def check(self, width: int) -> None:
    check_positive(self, "heads", "rank")
    check_not_negative(self, "key_width")
    self._shapes(width)

  def _shapes(self, width: int) -> tuple[int, int]:
    value = divided(width, self.heads)
    return self.key_width or max(value // 2, 1), value

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    key_width, value_width = self._shapes(width)
    start = self.before(x_BTD, state)
    q_BTHK, k_BTHK = (projected(self, name, x_BTD, self.heads, key_width) for name in "qk")
    v_BTHK = projected(self, "v", x_BTD, self.heads, value_width)
    low_BTR = dense(x_BTD, weight(self, "decay_DR", (width, self.rank)))
    g_BTHK = dense(low_BTR, weight(self, "decay_RHK", (self.rank, self.heads, key_width)))
    g_BTHK = widened(g_BTHK) + bias(self, "decay_bias_HK", (self.heads, key_width))
    g_BTHK = jax.nn.log_sigmoid(g_BTHK) / SLOWNESS
    q_BTHK *= key_width**-0.5
    given = (*heads_first(q_BTHK, k_BTHK, v_BTHK, g_BTHK), pos_BT == 0, start["s_BHNK"])
    y_BHTK, s_BHNK = linear_attention(*given, axis=axes.time_axis(pos_BT))
    y_BTD = to_width(self, gated(self, heads_first(y_BHTK)[0], x_BTD), width)
    return y_BTD, None if state is None else dict(s_BHNK=s_BHNK)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return dict(s_BHNK=jnp.zeros((batch, self.heads, *self._shapes(width)), jnp.float32))
