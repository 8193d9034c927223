"""Quasi-recurrent network (Bradbury 2016, arXiv:1611.01576, section 2.1, "fo-pooling"): gates that
see a few inputs in place of the hidden state.

    z_t = tanh(.), f_t, o_t = sigmoid(.) of the last `size` inputs
    c_t = f_t * c_{t-1} + (1 - f_t) * z_t,   h_t = o_t * c_t
"""

from typing import Any

import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.earlier import in_sight
from seqlab.nn.mixers.parts import check_positive, recurrence
from seqlab.nn.mixers.recurrent import Recurrent
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense


class QRNN(Recurrent):
  """size: inputs that a gate sees, its own among them."""

  size: int = 2

  def check(self, width: int) -> None:
    super().check(width)
    check_positive(self, "size")

  def recur(
    self, x_BTD: jax.Array, pos_BT: jax.Array, start: dict, hidden: int
  ) -> tuple[jax.Array, dict]:
    x_BTWD, last_BWD = in_sight(x_BTD, pos_BT, start["x_BWD"], self.size)
    w_WDGF = weight(self, "gates_WDGF", (self.size, x_BTD.shape[-1], 3, hidden))
    x_BTGF = widened(axes.constrain(dense(x_BTWD, w_WDGF, contract=2), "BTGF"))
    x_BTGF += bias(self, "bias_GF", (3, hidden))
    z_BTF, f_BTF, o_BTF = (x_BTGF[:, :, gate] for gate in range(3))
    f_BTF = jax.nn.sigmoid(f_BTF)
    keep_BTF = jnp.where((pos_BT == 0)[..., None], 0, f_BTF)
    c_BTF = recurrence(keep_BTF, (1 - f_BTF) * jnp.tanh(z_BTF), start["h_BF"])
    return jax.nn.sigmoid(o_BTF) * c_BTF, dict(h_BF=c_BTF[:, -1], x_BWD=last_BWD)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    before_BWD = jnp.zeros((batch, self.size - 1, width), jnp.float32)
    return super().init_state(batch, width, capacity) | dict(x_BWD=before_BWD)
