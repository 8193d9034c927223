"""Linear attention: softmax's exponent of a product is replaced by a product of features, so that
the past is a matrix (Katharopoulos 2020, arXiv:2006.16236, equations 8 to 12).

    y_t = phi(q_t) sum_s phi(k_s) v_s^T / (phi(q_t) . sum_s phi(k_s))

phi is elu + 1 as there, or with feature="taylor" 1, x and x x^T / sqrt(2): the exponent up to its
second order (Based, arXiv:2402.18668, section 4.1), on keys of a small width.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError, nearest
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  heads_first,
  projected,
  to_width,
)
from seqlab.ops.linear_attention import linear_attention

FEATURES = ("elu", "taylor")
TINY = 1e-18  # less is 0, where all is far below 0; the gradient divides by its square


class LinearAttention(Mixer):
  """heads. feature: "elu" or "taylor". key_width: of a head, 0 for width / heads."""

  heads: int = 4
  feature: str = "elu"
  key_width: int = 0

  def check(self, width: int) -> None:
    check_positive(self, "heads")
    check_not_negative(self, "key_width")
    divided(width, self.heads)
    if self.feature not in FEATURES:
      raise UserError(
        f"feature={self.feature!r}{nearest(self.feature, FEATURES)}: choose from "
        f"{', '.join(FEATURES)}"
      )

  def _widths(self, width: int) -> tuple[int, int, int]:
    """Of a head's keys, of their features, of its values."""
    values = divided(width, self.heads)
    keys = self.key_width or values
    return keys, keys if self.feature == "elu" else 1 + keys + keys * keys, values

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width, heads = x_BTD.shape[-1], self.heads
    start = self.before(x_BTD, state)
    keys, _, values = self._widths(width)
    q_BTHK, k_BTHK = (self._features(projected(self, n, x_BTD, heads, keys)) for n in "qk")
    v_BTHK = projected(self, "v", x_BTD, heads, values)
    v_BTHK = jnp.append(v_BTHK, jnp.ones_like(v_BTHK[..., :1]), -1)  # what sums the weights
    arrays = heads_first(q_BTHK, k_BTHK, v_BTHK)
    g_BHT1 = jnp.zeros((*arrays[2].shape[:3], 1), jnp.float32)
    given = (*arrays, g_BHT1, pos_BT == 0, start["s_BHNK"])
    y_BHTK, s_BHNK = linear_attention(*given, axis=axes.time_axis(pos_BT))
    (y_BTHK,) = heads_first(y_BHTK)
    y_BTHK = y_BTHK[..., :-1] / jnp.maximum(y_BTHK[..., -1:], TINY)
    y_BTD = to_width(self, y_BTHK, width)
    return y_BTD, None if state is None else dict(s_BHNK=s_BHNK)

  def _features(self, x_BTHK: jax.Array) -> jax.Array:
    if self.feature == "elu":
      # elu(x) + 1 loses its digits where x is far below 0
      return jnp.where(x_BTHK > 0, x_BTHK + 1, jnp.exp(jnp.minimum(x_BTHK, 0)))
    x_BTHK *= x_BTHK.shape[-1] ** -0.25  # q . k over the root of their width
    squares = x_BTHK[..., :, None] * x_BTHK[..., None, :] * 0.5**0.5
    squares = squares.reshape(*x_BTHK.shape[:3], -1)
    return jnp.concatenate([jnp.ones_like(x_BTHK[..., :1]), x_BTHK, squares], -1)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    _, features, values = self._widths(width)
    return dict(s_BHNK=jnp.zeros((batch, self.heads, features, values + 1), jnp.float32))
