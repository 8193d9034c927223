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
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import check_positive
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.linear_recurrence import linear_recurrence


class LRU(Mixer):
  """hidden: complex numbers of state, 0 for the width. low, high: radii of the ring that lambda
  starts in. phase: the largest angle that it starts at.
  """

  hidden: int = 0
  low: float = 0.4
  high: float = 0.99
  phase: float = math.tau

  def check(self, width: int) -> None:
    if self.hidden < 0:
      raise UserError(f"hidden={self.hidden} must be positive, or 0 for the width")
    if not 0 <= self.low < self.high < 1:
      raise UserError(f"low={self.low}, high={self.high}: radii 0 <= low < high < 1 are wanted")
    check_positive(self, "phase")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden, start = self.hidden or width, state or self.init_state(x_BTD.shape[0], width, 0)

    def squares(key: jax.Array) -> jax.Array:  # even over the ring's area
      return jax.random.uniform(key, (hidden,), minval=self.low**2, maxval=self.high**2)

    nu_F = self.param("nu_F", lambda key: jnp.log(-0.5 * jnp.log(squares(key))))
    theta_F = self.param(
      "theta_F", lambda key: jnp.log(self.phase * jax.random.uniform(key, (hidden,), minval=1e-6))
    )
    decay_F = -jnp.exp(nu_F)
    gamma_F = jnp.exp(
      self.param("gamma_F", lambda _: 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(nu_F))))
    )
    lambda_F = jnp.exp(decay_F) * jnp.exp(1j * jnp.exp(theta_F))
    w_DGF = weight(self, "in_DGF", (width, 2, hidden), std=1 / math.sqrt(2 * width))
    in_BTGF = widened(dense(x_BTD, w_DGF))
    h_BTF, last = diagonal(lambda_F, gamma_F * joined(in_BTGF), pos_BT == 0, start)
    y_BTD = read(self, h_BTF, x_BTD)
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return empty(batch, self.hidden or width)


def joined(x_BTGF: jax.Array) -> jax.Array:
  """Real and imaginary parts to complex numbers [B, T, F]."""
  return jax.lax.complex(x_BTGF[:, :, 0], x_BTGF[:, :, 1])


def empty(batch: int, hidden: int) -> dict:
  """The state of `diagonal` before the first token: real and imaginary parts."""
  return dict(h_BGF=jnp.zeros((batch, 2, hidden), jnp.float32))


def diagonal(
  lambda_F: jax.Array, in_BTF: jax.Array, reset_BT: jax.Array, start: dict
) -> tuple[jax.Array, dict]:
  """h_t = lambda h_{t-1} + in_t over complex numbers: every h, and the last as a state."""
  lambda_BTF = jnp.where(reset_BT[..., None], 0, lambda_F)
  first_BF = jax.lax.complex(start["h_BGF"][:, 0], start["h_BGF"][:, 1])
  h_BTF = linear_recurrence(lambda_BTF, in_BTF, first_BF)
  return h_BTF, dict(h_BGF=jnp.stack([h_BTF[:, -1].real, h_BTF[:, -1].imag], 1))


def read(module: nn.Module, h_BTF: jax.Array, x_BTD: jax.Array, out: Any = None) -> jax.Array:
  """Re(C h) + D * x, [B, T, D] in x's dtype."""
  width, hidden = x_BTD.shape[-1], h_BTF.shape[-1]
  parts_BTGF = jnp.stack([h_BTF.real, -h_BTF.imag], 2).astype(x_BTD.dtype)
  out_GFD = weight(module, "out_GFD", (2, hidden, width)) if out is None else out
  skip_D = bias(module, "skip_D", (width,), 1.0)
  return dense(parts_BTGF, out_GFD, contract=2) + skip_D.astype(x_BTD.dtype) * x_BTD
