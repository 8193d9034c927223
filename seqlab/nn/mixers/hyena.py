"""Hyena of order 2 (Poli 2023, arXiv:2302.10866, section 3): two gates around a convolution over
the whole past, whose filter is a function of the lag.

    v, x1, x2 = short convolutions of x @ W;   y = (x2 * (h * (x1 * v) + skip * x1 * v)) @ W_out
    h_l = exp(-decay l) MLP(l, cos, sin of l), with sines between its layers      equation 7

Channels decay at rates from fast to slow, as in the authors' code. The state holds what was read.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.parts import check_positive, convolved, window
from seqlab.ops.dense import dense
from seqlab.ops.long_convolution import long_convolution

FAST, SLOW, FLOOR = 0.3, 1.5, 0.01  # shares of the filter after which a channel is down to 1 in 100


class Hyena(Mixer):
  """length: lags of the filter: what is further back is not seen. order: hidden units of the MLP.
  frequency: of its sines. conv: steps of the short convolutions.
  """

  length: int = 1024
  order: int = 64
  frequency: float = 10.0
  conv: int = 3

  def check(self, width: int) -> None:
    check_positive(self, "length", "order", "frequency", "conv")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    tokens, width = x_BTD.shape[1:]
    start, last, made = state or self.init_state(x_BTD.shape[0], width, 0), {}, []
    for name in ("v", "x1", "x2"):
      x_BTF = dense(x_BTD, weight(self, f"{name}_DF", (width, width)))
      x_BTF, kept = convolved(self, name, axes.constrain(x_BTF, "BTF"), pos_BT, start, self.conv)
      made.append(x_BTF)
      last |= kept
    v_BTF, x1_BTF, x2_BTF = made
    u_BTF, past_BSF = x1_BTF * v_BTF, start["past_BSF"]
    lags = min(self.length, past_BSF.shape[1] + tokens)
    y_BTF = long_convolution(u_BTF, self._filter(lags, width), pos_BT, past_BSF)
    skip_F = bias(self, "skip_F", (width,), 1.0).astype(u_BTF.dtype)
    y_BTF = y_BTF.astype(x_BTD.dtype) + skip_F * u_BTF
    y_BTD = dense(x2_BTF * y_BTF, weight(self, "out_FD", (width, width)))
    if state is None:
      return y_BTD, None
    past_BSF = jnp.concatenate([past_BSF, u_BTF.astype(past_BSF.dtype)], 1)[:, tokens:]
    return y_BTD, dict(past_BSF=past_BSF, **last)

  def _filter(self, lags: int, width: int) -> jax.Array:
    """[L, F]."""
    lag_L1 = jnp.arange(lags, dtype=jnp.float32)[:, None] / self.length
    turn_L1 = 2 * math.pi * lag_L1
    h = jnp.concatenate([lag_L1, jnp.cos(turn_L1), jnp.sin(turn_L1)], 1)
    for i, size in enumerate((3, self.order, self.order)):
      w_KF = weight(self, f"filter{i}_KF", (size, self.order))
      h = jnp.sin(self.frequency * (h @ w_KF + bias(self, f"filter{i}_bias_F", (self.order,))))
    h_LF = h @ weight(self, "filter_KF", (self.order, width))
    rate_F = -math.log(FLOOR) / jnp.linspace(FAST, SLOW, width)
    return h_LF * jnp.exp(-rate_F * lag_L1)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    past = max(min(capacity, self.length) - 1, 0)
    state = dict(past_BSF=jnp.zeros((batch, past, width), dtype))
    for name in ("v", "x1", "x2"):
      state |= window(name, batch, self.conv, width)
    return state
