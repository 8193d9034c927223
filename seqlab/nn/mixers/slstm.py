"""The scalar LSTM of xLSTM (Beck 2024, arXiv:2405.04517, equations 8 to 18): recurrent weights
within heads, and an input gate that is an exponent.

After the block of the paper's figure 9 less its channel mixing: input and forget gates read a short
convolution of x, cell and output gate x itself, by whole matrices (the authors' are within heads).
The output is the heads under RMS norm, by a matrix that theirs leave out.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm, started, weight
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.earlier import convolved, window
from seqlab.nn.mixers.parts import check_not_negative, check_positive, divided, to_width
from seqlab.ops.chunks import NOTHING
from seqlab.ops.dense import dense
from seqlab.ops.slstm import slstm

STATE = "h_BHK", "c_BHK", "n_BHK", "m_BHK"


class SLSTM(Mixer):
  """heads. conv: steps of the convolution before the input and forget gates; 0 for none."""

  heads: int = 4
  conv: int = 4

  def check(self, width: int) -> None:
    check_positive(self, "heads")
    check_not_negative(self, "conv")
    divided(width, self.heads)

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    start = self.before(x_BTD, state)
    shape = self.heads, divided(width, self.heads)
    c_BTD = x_BTD
    last: dict = {}
    if self.conv:
      c_BTD, last = convolved(self, "in", x_BTD, pos_BT, start, self.conv, biased=True)
      c_BTD = jax.nn.silu(c_BTD)
    w_DHGK = {n: weight(self, f"{n}_DHGK", (width, shape[0], 2, shape[1])) for n in ("if", "zo")}
    both = dense(c_BTD, w_DHGK["if"]), dense(x_BTD, w_DHGK["zo"])
    gates_HGK = started(self, "bias_HGK", lambda _: _first_biases(*shape))
    x_BTHGK = axes.constrain(jnp.concatenate(both, 3) + gates_HGK.astype(x_BTD.dtype), "BTHGK")
    w_HKGK = weight(self, "recurrent_HKGK", (*shape, 4, shape[1]), std=(3 * shape[1]) ** -0.5)
    y_BTHK, *after = slstm(x_BTHGK, w_HKGK, pos_BT == 0, *(start[name] for name in STATE))
    y_BTHK = Norm(name="head_norm")(y_BTHK.astype(x_BTD.dtype))
    y_BTD = to_width(self, y_BTHK, width)
    return y_BTD, None if state is None else dict(zip(STATE, after, strict=True)) | last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    zeros = jnp.zeros((batch, self.heads, width // self.heads), jnp.float32)
    state = dict.fromkeys(STATE, zeros) | dict(m_BHK=jnp.full_like(zeros, NOTHING))
    return state | (window("in", batch, self.conv, width) if self.conv else {})


def _first_biases(heads: int, size: int) -> jax.Array:
  """[H, 4, K]: forget gates that start between 3 and 6, the rest at zero."""
  zeros_HK = jnp.zeros((heads, size))
  forget_HK = zeros_HK + jnp.linspace(3.0, 6.0, size)
  return jnp.stack([zeros_HK, forget_HK, zeros_HK, zeros_HK], 1)
