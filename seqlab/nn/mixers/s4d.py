"""S4D: a diagonal state-space model that does not depend on its input, a state for each channel
(Gu 2022, arXiv:2206.11893, sections 3 and 4).

    x' = A x + u, y = 2 Re(C x) + skip * u, held over a time step dt of each channel
    h_t = exp(A dt) h_{t-1} + A^-1 (exp(A dt) - 1) u_t                      zero-order hold
    A = -1/2 + i pi n at first                                              S4D-Lin

Only one of each conjugate pair is kept. As in the paper a product mixes the channels behind it,
after gelu; its gated linear unit is the block's channel mixing here.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import check_positive, check_steps
from seqlab.ops.activations import gelu
from seqlab.ops.dense import dense
from seqlab.ops.fixed_scan import fixed_scan


class S4D(Mixer):
  """states: complex numbers of a channel, half of the paper's N. slowest, fastest: time steps at
  first, evenly in the logarithm.
  """

  states: int = 32
  slowest: float = 0.001
  fastest: float = 0.1

  def check(self, width: int) -> None:
    check_positive(self, "states")
    check_steps(self)

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width, shape = x_BTD.shape[-1], (x_BTD.shape[-1], self.states)
    start = self.before(x_BTD, state)
    low, high = math.log(self.slowest), math.log(self.fastest)
    turn_FN = started(
      self, "turn_rate_FN", lambda _: jnp.zeros(shape) + math.pi * jnp.arange(self.states)
    )
    a_FN = jax.lax.complex(-jnp.exp(bias(self, "shrink_rate_FN", shape, math.log(0.5))), turn_FN)
    step_F = started(
      self, "step_F", lambda key: jax.random.uniform(key, (width,), minval=low, maxval=high)
    )
    c_GFN = weight(self, "read_GFN", (2, *shape), std=0.5**0.5)
    over_FN = a_FN * jnp.exp(step_F)[:, None]
    h_BFN = jax.lax.complex(start["h_BGFN"][:, 0], start["h_BGFN"][:, 1])
    read_FN = 2 * jax.lax.complex(c_GFN[0], c_GFN[1])
    held_FN = jnp.expm1(over_FN) / a_FN
    given = x_BTD, jnp.exp(over_FN), held_FN, read_FN, pos_BT == 0, h_BFN
    y_BTF, h_BFN = fixed_scan(*given, axis=axes.time_axis(pos_BT))
    skip_F = bias(self, "skip_F", (width,), 1.0).astype(x_BTD.dtype)
    y_BTF = y_BTF.astype(x_BTD.dtype) + skip_F * x_BTD
    y_BTD = dense(gelu(y_BTF), weight(self, "out_FD", (width, width)))
    return y_BTD, None if state is None else dict(h_BGFN=jnp.stack([h_BFN.real, h_BFN.imag], 1))

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return dict(h_BGFN=jnp.zeros((batch, 2, width, self.states), jnp.float32))
