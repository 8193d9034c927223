"""The matrix LSTM of xLSTM (Beck 2024, arXiv:2405.04517, equations 19 to 27): no recurrent weights,
and an input gate that is an exponent.

After the block of the paper's figure 10: q and k come from a short convolution of u, v from u
itself, each by a matrix within heads (the authors' code has blocks of 4 in place of heads); a
head's gates come from its q, k and v (theirs from those of all heads). The output is the heads
under RMS norm plus what the convolution found, times silu of a gate.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm, bias, started
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import (
  check_positive,
  divided,
  heads_first,
  projected,
  to_width,
  within_heads,
)
from seqlab.ops.backend import widened
from seqlab.ops.chunks import NOTHING
from seqlab.ops.mlstm import mlstm

STATE = "s_BHNK", "n_BHN", "m_BH"


class MLSTM(Mixer):
  """heads. expand: how much wider than the input the heads are together. conv: steps of the
  convolution before queries and keys.
  """

  heads: int = 4
  expand: int = 2
  conv: int = 4

  def check(self, width: int) -> None:
    check_positive(self, "heads", "expand", "conv")
    divided(self.expand * width, self.heads, f"{self.expand} times the width,")

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width, heads = x_BTD.shape[-1], self.heads
    start = self.before(x_BTD, state)
    shape = heads, divided(self.expand * width, heads)
    u_BTHK, gate_BTHK = (projected(self, name, x_BTD, *shape) for name in ("u", "gate"))
    u_BTHK = widened(u_BTHK)  # float32 from here: q n may be near nothing, and is divided by
    c_BTHK, last = convolved(self, "u", u_BTHK, pos_BT, start, self.conv, biased=True)
    c_BTHK = jax.nn.silu(c_BTHK)
    q_BTHK, k_BTHK, v_BTHK = (
      within_heads(self, name, x) for name, x in dict(q=c_BTHK, k=c_BTHK, v=u_BTHK).items()
    )
    qkv_BTHK = jnp.concatenate([q_BTHK, k_BTHK, v_BTHK], -1)
    gates_BTHG = within_heads(self, "gates", qkv_BTHK, 2, std=0.02)
    gates_BTHG += started(self, "gates_bias_HG", _first, heads)
    i_BTH, f_BTH = gates_BTHG[..., 0], jax.nn.log_sigmoid(gates_BTHG[..., 1])
    k_BTHK *= shape[1] ** -0.5
    arrays = heads_first(q_BTHK, k_BTHK, v_BTHK, i_BTH, f_BTH)
    given = (*arrays, pos_BT == 0, *(start[name] for name in STATE))
    y_BHTK, *after = mlstm(*given, axis=axes.time_axis(pos_BT))
    y_BTHK = Norm(name="head_norm")(heads_first(y_BHTK)[0])
    y_BTHK += bias(self, "skip_HK", shape, 1.0) * c_BTHK
    y_BTD = to_width(self, y_BTHK.astype(x_BTD.dtype) * jax.nn.silu(gate_BTHK), width)
    return y_BTD, None if state is None else dict(zip(STATE, after, strict=True)) | last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    heads, size = self.heads, self.expand * width // self.heads
    return dict(
      s_BHNK=jnp.zeros((batch, heads, size, size), jnp.float32),
      n_BHN=jnp.zeros((batch, heads, size), jnp.float32),
      m_BH=jnp.full((batch, heads), NOTHING, jnp.float32),
      **window("u", batch, self.conv, heads, size),
    )


def _first(key: jax.Array, heads: int) -> jax.Array:
  """Biases of the input and forget gates, [H, 2]: memories of all lengths."""
  return jnp.stack([jnp.zeros(heads), jnp.linspace(3.0, 6.0, heads)], 1)
