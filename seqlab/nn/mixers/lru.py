"""Linear recurrent unit (Orvieto 2023, arXiv:2303.06349, section 3): a diagonal recurrence over
complex numbers that turn and shrink.

    h_t = lambda * h_{t-1} + gamma * (B x_t),   y_t = Re(C h_t) + D * x_t
    lambda = exp(-exp(nu) + i exp(theta))       (equation 6; a ring between two radii at first)
    gamma = sqrt(1 - |lambda|^2) at first       (equation 7)

The paper's block goes on with a gated linear unit, which is here the block's channel mixing. It
learns nu, theta and gamma at a smaller rate and without decay: config.rates, by their names.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.errors import UserError
from seqlab.nn.layers import started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.diagonal import diagonal, empty, joined, read
from seqlab.nn.mixers.parts import check_not_negative, check_positive
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense


class LRU(Mixer):
  """hidden: complex numbers of state, 0 for the width. low, high: radii of the ring that lambda
  starts in. phase: the largest angle that it starts at.
  """

  hidden: int = 0
  low: float = 0.4
  high: float = 0.99
  phase: float = math.tau

  def check(self, width: int) -> None:
    check_not_negative(self, "hidden")
    if not 0 <= self.low < self.high < 1:
      raise UserError(f"low={self.low}, high={self.high}: radii 0 <= low < high < 1 are wanted")
    check_positive(self, "phase")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden, start = self.hidden or width, self.before(x_BTD, state)

    low = max(self.low, 1e-3 * self.high)  # a radius of 0 would have no logarithm

    def squares(key: jax.Array) -> jax.Array:  # even over the ring's area
      return jax.random.uniform(key, (hidden,), minval=low**2, maxval=self.high**2)

    nu_F = started(self, "nu_F", lambda key: jnp.log(-0.5 * jnp.log(squares(key))))
    theta_F = started(
      self,
      "theta_F",
      lambda key: jnp.log(self.phase * jax.random.uniform(key, (hidden,), minval=1e-6)),
    )
    decay_F = -jnp.exp(nu_F)
    gamma_F = jnp.exp(
      started(self, "gamma_F", lambda _: 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(nu_F))))
    )
    lambda_F = jnp.exp(decay_F) * jnp.exp(1j * jnp.exp(theta_F))
    w_DGF = weight(self, "in_DGF", (width, 2, hidden), std=1 / math.sqrt(2 * width))
    in_BTGF = widened(dense(x_BTD, w_DGF))
    h_BTF, last = diagonal(lambda_F, gamma_F * joined(in_BTGF), pos_BT == 0, start)
    y_BTD = read(self, h_BTF, x_BTD)
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return empty(batch, self.hidden or width)
