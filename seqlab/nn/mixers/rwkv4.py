"""RWKV-4's time mixing (Peng 2023, arXiv:2305.13048, section 3.1): an attention-free mean of values
under keys that decay.

    r, k, v = of mu * x_t + (1 - mu) * x_{t-1}, each with a mu of its own      equations 11 to 13
    y = (sigmoid(r) * wkv(k, v)) @ W                                           equations 14 and 15
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import shifted
from seqlab.nn.mixers.parts import to_hidden
from seqlab.ops.backend import widened
from seqlab.ops.chunks import NOTHING
from seqlab.ops.dense import dense
from seqlab.ops.wkv import wkv


class RWKV4(Mixer):
  """It has no sizes of its own."""

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start = self.before(x_BTD, state)
    before_BTD = shifted(x_BTD, pos_BT, start["last_BD"])

    def read(name: str) -> jax.Array:
      mu_D = bias(self, f"{name}_mu_D", (width,), 0.5).astype(x_BTD.dtype)
      mixed_BTD = before_BTD + mu_D * (x_BTD - before_BTD)
      return to_hidden(self, name, mixed_BTD, width)

    r_BTF, k_BTF, v_BTF = read("r"), read("k"), read("v")
    # as in the authors' code: decays of exp(-5) to exp(3) a step, from channel to channel
    place_F = jnp.arange(width) / max(width - 1, 1)
    decay_F = started(self, "decay_F", lambda _: -5 + 8 * place_F**0.7)
    first_F = bias(self, "first_F", (width,), -1.2)
    sums = (start[name] for name in ("a_BF", "b_BF", "m_BF"))
    given = k_BTF, v_BTF, jnp.exp(decay_F), first_F, pos_BT == 0, *sums
    y_BTF, a_BF, b_BF, m_BF = wkv(*given, axis=axes.time_axis(pos_BT))
    y_BTF = jax.nn.sigmoid(r_BTF) * y_BTF.astype(x_BTD.dtype)
    y_BTD = dense(y_BTF, weight(self, "out_FD", (width, width)))
    if state is None:
      return y_BTD, None
    return y_BTD, dict(last_BD=widened(x_BTD[:, -1]), a_BF=a_BF, b_BF=b_BF, m_BF=m_BF)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    zeros = jnp.zeros((batch, width), jnp.float32)
    return dict.fromkeys(("last_BD", "a_BF", "b_BF"), zeros) | dict(m_BF=zeros + NOTHING)
