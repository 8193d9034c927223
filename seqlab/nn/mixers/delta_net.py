"""DeltaNet, whose state is corrected rather than added to (Yang 2024, arXiv:2406.06484, equation 4
and section 3.4):

    S_t = S_{t-1} - b_t k_t (k_t^T S_{t-1}) + b_t k_t v_t^T,   y_t = q_t S_t
    b_t = sigmoid(x_t @ W_b), twice that with negative=True                (arXiv:2411.12537)

q, k and v go through a short convolution and silu; q and k have length 1.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  heads_first,
  per_head,
  projected,
  to_width,
  unit,
)
from seqlab.ops.delta_rule import delta_rule


class DeltaNet(Mixer):
  """heads. key_width, value_width: of a head, 0 for width / heads. conv: steps of the
  convolutions. negative: whether a state can be turned round, by corrections of up to twice.
  """

  heads: int = 4
  key_width: int = 0
  value_width: int = 0
  conv: int = 4
  negative: bool = False

  def check(self, width: int) -> None:
    check_positive(self, "heads", "conv")
    check_not_negative(self, "key_width", "value_width")
    self._shapes(width)

  def _shapes(self, width: int) -> tuple[int, int]:
    size = 0 if self.key_width and self.value_width else divided(width, self.heads)
    return self.key_width or size, self.value_width or size

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start, sizes = self.before(x_BTD, state), self._shapes(width)
    last: dict = {}
    made = []
    for name, size in zip("qkv", (sizes[0], *sizes), strict=True):
      x_BTHK = projected(self, name, x_BTD, self.heads, size)
      x_BTHK, kept = convolved(self, name, x_BTHK, pos_BT, start, self.conv)
      made.append(jax.nn.silu(x_BTHK))
      last |= kept
    q_BTHK, k_BTHK, v_BTHK = made
    b_BTH = (1 + self.negative) * jax.nn.sigmoid(per_head(self, "correct", x_BTD, self.heads))
    g_BTH = self.decays(x_BTD)
    q_BTHK, k_BTHK = unit(q_BTHK) * sizes[0] ** -0.5, unit(k_BTHK)
    arrays = heads_first(q_BTHK, k_BTHK, v_BTHK, b_BTH, g_BTH)
    given = (*arrays, pos_BT == 0, start["s_BHNK"])
    y_BHTK, s_BHNK = delta_rule(*given, axis=axes.time_axis(pos_BT))
    y_BTD = to_width(self, self.normed(heads_first(y_BHTK)[0], x_BTD), width)
    return y_BTD, None if state is None else dict(s_BHNK=s_BHNK, **last)

  def decays(self, x_BTD: jax.Array) -> jax.Array:
    """Logarithms of the decays of each head, [B, T, H] in float32."""
    return jnp.zeros((*x_BTD.shape[:2], self.heads), jnp.float32)

  def normed(self, y_BTHK: jax.Array, x_BTD: jax.Array) -> jax.Array:
    """What heads found, before it is brought to the width."""
    return Norm(name="head_norm")(y_BTHK)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    keys, values = self._shapes(width)
    state = dict(s_BHNK=jnp.zeros((batch, self.heads, keys, values), jnp.float32))
    for name, size in dict(q=keys, k=keys, v=values).items():
      state |= window(name, batch, self.conv, self.heads, size)
    return state
