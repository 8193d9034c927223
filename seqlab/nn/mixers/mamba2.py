"""Mamba-2: a selective state-space model with one decay a head (Dao & Gu 2024, arXiv:2405.21060,
section 7 and figure 6).

    dt_t = softplus(x_t @ W_dt + b),   S_t = exp(-exp(a) dt_t) S_{t-1} + dt_t B_t u_t^T
    y_t = C_t S_t + skip * u_t,   out = norm(y * silu(z)) @ W

u, B and C come from x by one projection, a short convolution and silu; z is the gate. All heads
share B and C, as with one group in the authors' code, whose starting values these are.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import (
  check_positive,
  divided,
  heads_first,
  projected,
  selective_decay,
  to_width,
)
from seqlab.ops.dense import dense
from seqlab.ops.linear_attention import linear_attention
from seqlab.ops.norm import rms_norm


class Mamba2(Mixer):
  """heads: heads of u, which is `expand` times the width. states: the width of B and C. conv: steps
  of the convolution.
  """

  heads: int = 4
  states: int = 64
  expand: int = 2
  conv: int = 4

  def check(self, width: int) -> None:
    check_positive(self, "heads", "states", "expand", "conv")
    divided(self.expand * width, self.heads, f"{self.expand} times the width,")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start = self.before(x_BTD, state)
    shape = self.heads, divided(self.expand * width, self.heads)
    gate_BTHK, u_BTHK = (projected(self, name, x_BTD, *shape) for name in ("gate", "u"))
    b_BTN, c_BTN = (dense(x_BTD, weight(self, f"{n}_DN", (width, self.states))) for n in "bc")
    last: dict = {}
    made = []
    for name, x in dict(u=u_BTHK, b=b_BTN, c=c_BTN).items():
      y, kept = convolved(self, name, x, pos_BT, start, self.conv, biased=True)
      made.append(jax.nn.silu(y))
      last |= kept
    u_BTHK, b_BTN, c_BTN = made
    dt_BTH, g_BTH = selective_decay(self, x_BTD, self.heads)
    v_BTHK = (dt_BTH[..., None] * u_BTHK).astype(x_BTD.dtype)
    v_BHTK, g_BHT1 = heads_first(v_BTHK, g_BTH[..., None])
    c_B1TN, b_B1TN, reset_BT = c_BTN[:, None], b_BTN[:, None], pos_BT == 0
    given = c_B1TN, b_B1TN, v_BHTK, g_BHT1, reset_BT, start["s_BHNK"]
    y_BHTK, s_BHNK = linear_attention(*given, axis=axes.time_axis(pos_BT))
    skip_H1 = bias(self, "skip_H", (self.heads,), 1.0).astype(x_BTD.dtype)[:, None]
    y_BTHK = (heads_first(y_BHTK)[0] + skip_H1 * u_BTHK) * jax.nn.silu(gate_BTHK)
    # one norm over all heads
    scale_HK = bias(self, "scale_HK", shape, 1.0)
    y_BTF = rms_norm(y_BTHK.reshape(*y_BTHK.shape[:2], -1), scale_HK.reshape(-1))
    y_BTD = to_width(self, y_BTF.reshape(y_BTHK.shape), width)
    return y_BTD, None if state is None else dict(s_BHNK=s_BHNK, **last)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    head_width = self.expand * width // self.heads
    return dict(
      s_BHNK=jnp.zeros((batch, self.heads, self.states, head_width), jnp.float32),
      **window("u", batch, self.conv, self.heads, head_width),
      **window("b", batch, self.conv, self.states),
      **window("c", batch, self.conv, self.states),
    )
