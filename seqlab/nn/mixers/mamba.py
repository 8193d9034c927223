"""Mamba: a selective state-space model (S6), a state for each channel (Gu & Dao 2023,
arXiv:2312.00752, section 3 and algorithm 2).

    h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t,   y_t = C_t h_t + skip * u_t
    dt = softplus(u @ W_1 @ W_2 + b),   out = (y * silu(z)) @ W

u is a branch of x after a short convolution and silu, z another; B and C are read from u. A starts
at -1 to -states, dt between 0.001 and 0.1.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import check_not_negative, check_positive, first_steps, to_hidden
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.selective_scan import selective_scan


class Mamba(Mixer):
  """states: of each channel. expand: channels over the width. conv: steps of the convolution. rank:
  of the map to time steps, 0 for a sixteenth of the width.
  """

  states: int = 16
  expand: int = 2
  conv: int = 4
  rank: int = 0

  def check(self, width: int) -> None:
    check_positive(self, "states", "expand", "conv")
    check_not_negative(self, "rank")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden, rank = self.expand * width, self.rank or math.ceil(width / 16)
    start = self.before(x_BTD, state)
    u_BTF, gate_BTF = (to_hidden(self, name, x_BTD, hidden) for name in ("u", "gate"))
    u_BTF, last = convolved(self, "u", u_BTF, pos_BT, start, self.conv, biased=True)
    u_BTF = jax.nn.silu(u_BTF)
    b_BTN, c_BTN = (dense(u_BTF, weight(self, f"{n}_FN", (hidden, self.states))) for n in "bc")
    low_BTR = dense(u_BTF, weight(self, "step_FR", (hidden, rank)))
    dt_BTF = widened(dense(low_BTR, weight(self, "step_RF", (rank, hidden))))
    dt_BTF = jax.nn.softplus(dt_BTF + started(self, "step_bias_F", first_steps, hidden))
    rate_FN = started(self, "rate_FN", lambda _: jnp.log(jnp.zeros((hidden, 1)) + self._rates()))
    given = u_BTF, dt_BTF, -jnp.exp(rate_FN), b_BTN, c_BTN, pos_BT == 0, start["h_BFN"]
    y_BTF, h_BFN = selective_scan(*given, axis=axes.time_axis(pos_BT))
    skip_F = bias(self, "skip_F", (hidden,), 1.0).astype(x_BTD.dtype)
    y_BTF = y_BTF.astype(x_BTD.dtype) + skip_F * u_BTF
    y_BTD = dense(y_BTF * jax.nn.silu(gate_BTF), weight(self, "out_FD", (hidden, width)))
    return y_BTD, None if state is None else dict(h_BFN=h_BFN, **last)

  def _rates(self) -> jax.Array:
    return jnp.arange(1.0, self.states + 1)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    hidden = self.expand * width
    return dict(
      h_BFN=jnp.zeros((batch, hidden, self.states), jnp.float32),
      **window("u", batch, self.conv, hidden),
    )
