"""Hyena of order 2 (Poli 2023, arXiv:2302.10866, section 3): two gates around a convolution over
the whole past, whose filter is a function of the lag.

    v, x1, x2 = short convolutions of x @ W;   y = (x2 * (h * (x1 * v) + skip * x1 * v)) @ W_out
    h_l = exp(-decay l) MLP(l, cos, sin of l), with sines between its layers      equation 7

Channels decay at rates from fast to slow, as in the authors' code, where the sines' frequency is
learned too. The state holds what was read.
"""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.cache import check_room
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import check_positive, to_hidden
from seqlab.ops.dense import dense
from seqlab.ops.long_convolution import long_convolution

BLOCK = 64
FAST, SLOW, FLOOR = 0.3, 1.5, 0.01  # shares of the filter after which a channel is down to 1 in 100


class Hyena(Mixer):
  """length: lags of the filter: what is further back is not seen. filter_width: hidden units of the
  MLP. frequency: of its sines. conv: steps of the short convolutions.
  """

  rounds: ClassVar[bool] = True

  length: int = 1024
  filter_width: int = 64
  frequency: float = 10.0
  conv: int = 3

  def check(self, width: int) -> None:
    check_positive(self, "length", "filter_width", "frequency", "conv")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    tokens, width = x_BTD.shape[1:]
    start = self.before(x_BTD, state)
    last: dict = {}
    made = []
    for name in ("v", "x1", "x2"):
      x_BTF = to_hidden(self, name, x_BTD, width)
      x_BTF, kept = convolved(self, name, x_BTF, pos_BT, start, self.conv)
      made.append(x_BTF)
      last |= kept
    v_BTF, x1_BTF, x2_BTF = made
    u_BTF = x1_BTF * v_BTF
    past_BSF = start["past_BSF"] if state else jnp.zeros((len(u_BTF), 0, width), u_BTF.dtype)
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
    """[L, F]. Lags come in blocks of one size: three sines one in another make much of what is
    rounded, and a product rounds a row otherwise among fewer rows, so that a filter would hang on
    how many lags are asked for.
    """
    units, layers = self.filter_width, []
    for i, size in enumerate((3, units, units)):
      w_KF = weight(self, f"filter{i}_KF", (size, units))
      layers.append((w_KF, bias(self, f"filter{i}_bias_F", (units,))))
    last_KF = weight(self, "filter_KF", (units, width))

    def block(lag_L1: jax.Array) -> jax.Array:
      turn_L1 = 2 * math.pi * lag_L1
      h = jnp.concatenate([lag_L1, jnp.cos(turn_L1), jnp.sin(turn_L1)], 1)
      for w_KF, bias_F in layers:
        h = jnp.sin(self.frequency * (h @ w_KF + bias_F))
      return h @ last_KF

    blocks = -(-lags // BLOCK)
    lag_NL1 = jnp.arange(blocks * BLOCK, dtype=jnp.float32).reshape(blocks, BLOCK, 1) / self.length
    h_LF = jax.lax.map(block, lag_NL1).reshape(-1, width)[:lags]
    rate_F = jnp.linspace(-math.log(FLOOR) / FAST, -math.log(FLOOR) / SLOW, width)
    return h_LF * jnp.exp(-rate_F * lag_NL1.reshape(-1, 1)[:lags])

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    past = min(check_room(capacity), self.length - 1)
    state = dict(past_BSF=jnp.zeros((batch, past, width), dtype))
    for name in ("v", "x1", "x2"):
      state |= window(name, batch, self.conv, width)
    return state
