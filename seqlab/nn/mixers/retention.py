"""Retention (RetNet, Sun 2023, arXiv:2307.08621, equations 5 to 8): linear attention whose heads
forget at rates that are not learned, with rotary positions.

    S_t = gamma S_{t-1} + k_t v_t^T,   y_t = q_t S_t,   gamma = 1 - 2^(-5 - h) of head h
    out = (norm(y) * silu(x @ W_gate)) @ W
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import check_positive, divided, gated, heads_first, projected, to_width
from seqlab.ops.linear_attention import linear_attention
from seqlab.ops.rope import rope


class Retention(Mixer):
  """heads. expand: how much wider values are than keys."""

  heads: int = 4
  expand: int = 2

  def check(self, width: int) -> None:
    check_positive(self, "heads", "expand")
    if divided(width, self.heads) % 2:
      raise UserError(
        f"heads={self.heads}: heads of {width // self.heads} are odd; rope wants even"
      )

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width, heads = x_BTD.shape[-1], self.heads
    size, start = divided(width, heads), self.before(x_BTD, state)
    q_BTHK, k_BTHK = (rope(projected(self, n, x_BTD, heads, size), pos_BT) for n in "qk")
    v_BTHK = projected(self, "v", x_BTD, heads, self.expand * size)
    rate_H = jnp.log1p(-(2.0 ** (-5.0 - jnp.arange(heads))))
    g_BHT1 = jnp.broadcast_to(rate_H[:, None, None], (x_BTD.shape[0], heads, x_BTD.shape[1], 1))
    q_BHTK, k_BHTK, v_BHTK = heads_first(q_BTHK, k_BTHK * size**-0.5, v_BTHK)
    given = q_BHTK, k_BHTK, v_BHTK, g_BHT1, pos_BT == 0, start["s_BHNK"]
    y_BHTK, s_BHNK = linear_attention(*given, axis=axes.time_axis(pos_BT))
    y_BTD = to_width(self, gated(self, heads_first(y_BHTK)[0], x_BTD), width)
    return y_BTD, None if state is None else dict(s_BHNK=s_BHNK)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    size = width // self.heads
    return dict(s_BHNK=jnp.zeros((batch, self.heads, size, self.expand * size), jnp.float32))
