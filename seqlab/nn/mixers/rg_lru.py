"""Real-gated linear recurrent unit, in the recurrent block of Griffin and Hawk (De 2024,
arXiv:2402.19427, section 2.4 and figure 2c).

    r_t, i_t = sigmoid(x_t @ W_r + b_r), sigmoid(x_t @ W_i + b_i)      within heads
    a_t = exp(-8 softplus(decay) r_t)                                  equation 6
    h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * x_t)                equation 4
    h_0 = i_0 * x_0                                                    as in the authors' code

x is a branch of its input after a short convolution; the output is h times the gelu of another
branch. The radii a^(1/r) start evenly by area between 0.9 and 0.999.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  recurrence,
  to_hidden,
  within_heads,
)
from seqlab.ops.activations import gelu
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense

STRENGTH, LOW, HIGH = 8.0, 0.9, 0.999


class RGLRU(Mixer):
  """hidden: units, 0 for the width. heads: blocks of the gates' matrices. conv: steps of the
  convolution.
  """

  hidden: int = 0
  heads: int = 4
  conv: int = 4

  def check(self, width: int) -> None:
    check_not_negative(self, "hidden")
    check_positive(self, "heads", "conv")
    divided(self.hidden or width, self.heads, "the hidden width" if self.hidden else "the width")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden, start = self.hidden or width, self.before(x_BTD, state)
    gate_BTF, x_BTF = (to_hidden(self, name, x_BTD, hidden) for name in ("gate", "in"))
    x_BTF, last = convolved(self, "in", x_BTF, pos_BT, start, self.conv, biased=True)
    r_BTF, i_BTF = (jax.nn.sigmoid(self._gate(name, x_BTF)) for name in ("r", "i"))

    def slow(key: jax.Array) -> jax.Array:
      squares_F = jax.random.uniform(key, (hidden,), minval=LOW**2, maxval=HIGH**2)
      return jnp.log(jnp.expm1(-0.5 * jnp.log(squares_F) / STRENGTH))

    log_BTF = -STRENGTH * jax.nn.softplus(started(self, "decay_F", slow)) * r_BTF
    reset_BT1 = (pos_BT == 0)[..., None]
    # the slope of the root grows without bound where nothing decays
    root_BTF = jnp.sqrt(jnp.maximum(-jnp.expm1(2 * log_BTF), 1e-6))
    keep_BTF = jnp.where(reset_BT1, 0, jnp.exp(log_BTF))
    new_BTF = jnp.where(reset_BT1, 1, root_BTF) * i_BTF * x_BTF
    h_BTF = recurrence(keep_BTF, new_BTF, start["h_BF"])
    y_BTF = gelu(gate_BTF) * h_BTF.astype(x_BTD.dtype)
    y_BTD = dense(y_BTF, weight(self, "out_FD", (hidden, width)))
    return y_BTD, None if state is None else dict(h_BF=h_BTF[:, -1], **last)

  def _gate(self, name: str, x_BTF: jax.Array) -> jax.Array:
    """x @ W + b in float32, W a block for each head."""
    x_BTHK = x_BTF.reshape(*x_BTF.shape[:2], self.heads, -1)
    y_BTF = widened(within_heads(self, name, x_BTHK)).reshape(x_BTF.shape)
    return y_BTF + bias(self, f"{name}_bias_F", x_BTF.shape[2:])

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    hidden = self.hidden or width
    return dict(
      h_BF=jnp.zeros((batch, hidden), jnp.float32), **window("in", batch, self.conv, hidden)
    )
