"""RWKV-7's time mixing (Peng 2025, arXiv:2503.14456, section 4): a delta rule whose state decays by
channel and whose corrections are weighed by channel.

    S_t = diag(w_t) S_{t-1} - (a_t * l_t) (l_t^T S_{t-1}) + k'_t v_t^T, y_t = r_t S_t    equation 17
    w = exp(-exp(-1/2) sigmoid(d)),  l = unit(k * xi),  k' = k * (1 + (a - 1) * alpha)
    out = ((norm(y) + (r . (rho * k')) v) * g) @ W                                    equation 21

r, k, v and, by maps of low rank, d, a and g are read from mixtures of x_t and x_{t-1}. The mean of
values over layers (equation 10) is left out: a mixer knows no other layer. `norm` is RMS norm
within heads, where theirs is group norm.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm, bias, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import shifted
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  heads_first,
  projected,
  to_width,
  unit,
)  # fmt: skip
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.weighted_delta import weighted_delta


class RWKV7(Mixer):
  """heads. rank: of the maps to decays, weights and gates; 0 for a quarter of the width, 64 at
  most.
  """

  heads: int = 4
  rank: int = 0

  def check(self, width: int) -> None:
    check_positive(self, "heads")
    check_not_negative(self, "rank")
    divided(width, self.heads)

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width, shape = x_BTD.shape[-1], (self.heads, divided(x_BTD.shape[-1], self.heads))
    start = self.before(x_BTD, state)
    before_BTD = shifted(x_BTD, pos_BT, start["last_BD"])

    def mixed(name: str) -> jax.Array:
      mu_D = bias(self, f"{name}_mu_D", (width,), 0.5).astype(x_BTD.dtype)
      return x_BTD + mu_D * (before_BTD - x_BTD)

    def low(name: str, inside: Callable) -> jax.Array:
      rank = self.rank or min(max(width // 4, 1), 64)
      low_BTR = inside(dense(mixed(name), weight(self, f"{name}_DR", (width, rank))))
      y_BTHK = dense(low_BTR, weight(self, f"{name}_RHK", (rank, *shape)))
      return widened(y_BTHK)

    r_BTHK, k_BTHK, v_BTHK = (projected(self, name, mixed(name), *shape) for name in "rkv")
    # decays from slow to fast over the channels, about as in the authors' code
    ramp_HK = jnp.linspace(-6.0, 0.0, width).reshape(shape)
    decay_HK = started(self, "decay_bias_HK", lambda _: ramp_HK)
    g_BTHK = -jnp.exp(-0.5) * jax.nn.sigmoid(low("decay", jnp.tanh) + decay_HK)
    a_BTHK = low("correct", lambda x: x) + bias(self, "correct_bias_HK", shape)
    a_BTHK = jax.nn.sigmoid(a_BTHK)
    look_BTHK = unit(k_BTHK * bias(self, "look_scale_HK", shape, 1.0).astype(k_BTHK.dtype))
    k_BTHK *= (1 + (a_BTHK - 1) * bias(self, "keep_scale_HK", shape, 1.0)).astype(k_BTHK.dtype)
    arrays = heads_first(r_BTHK, g_BTHK, look_BTHK, a_BTHK * look_BTHK, k_BTHK, v_BTHK)
    given = (*arrays, pos_BT == 0, start["s_BHNK"])
    y_BHTK, s_BHNK = weighted_delta(*given, axis=axes.time_axis(pos_BT))
    y_BTHK = Norm(name="head_norm")(heads_first(y_BHTK)[0])
    bonus_HK = bias(self, "bonus_scale_HK", shape, -0.04).astype(k_BTHK.dtype)
    y_BTHK += jnp.sum(r_BTHK * k_BTHK * bonus_HK, -1, keepdims=True) * v_BTHK
    y_BTHK *= low("gate", jax.nn.sigmoid).astype(y_BTHK.dtype)
    y_BTD = to_width(self, y_BTHK, width)
    if state is None:
      return y_BTD, None
    return y_BTD, dict(last_BD=widened(x_BTD[:, -1]), s_BHNK=s_BHNK)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    size = width // self.heads
    return dict(
      last_BD=jnp.zeros((batch, width), jnp.float32),
      s_BHNK=jnp.zeros((batch, self.heads, size, size), jnp.float32),
    )
