"""What mixers with a diagonal complex recurrence (LRU, S5) share. Their state is real: real and
imaginary parts on an axis G.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers.parts import recurrence
from seqlab.ops.dense import dense


def joined(x_BTGF: jax.Array) -> jax.Array:
  """Real and imaginary parts to complex numbers [B, T, F]."""
  return jax.lax.complex(x_BTGF[:, :, 0], x_BTGF[:, :, 1])


def empty(batch: int, hidden: int) -> dict:
  """The state of `diagonal` before the first token: real and imaginary parts."""
  return dict(h_BGF=jnp.zeros((batch, 2, hidden), jnp.float32))


def diagonal(
  lambda_F: jax.Array, in_BTF: jax.Array, reset_BT: jax.Array, start: dict
) -> tuple[jax.Array, dict]:
  """h_t = lambda h_{t-1} + in_t over complex numbers: every h, and the last as a state."""
  lambda_BTF = jnp.where(reset_BT[..., None], 0, lambda_F)
  first_BF = jax.lax.complex(start["h_BGF"][:, 0], start["h_BGF"][:, 1])
  h_BTF = recurrence(lambda_BTF, in_BTF, first_BF)
  return h_BTF, dict(h_BGF=jnp.stack([h_BTF[:, -1].real, h_BTF[:, -1].imag], 1))


def read(module: nn.Module, h_BTF: jax.Array, x_BTD: jax.Array, out: Any = None) -> jax.Array:
  """Re(C h) + D * x, [B, T, D] in x's dtype."""
  width, hidden = x_BTD.shape[-1], h_BTF.shape[-1]
  parts_BTGF = jnp.stack([h_BTF.real, -h_BTF.imag], 2).astype(x_BTD.dtype)
  out_GFD = weight(module, "out_GFD", (2, hidden, width)) if out is None else out
  skip_D = bias(module, "skip_D", (width,), 1.0)
  return dense(parts_BTGF, out_GFD, contract=2) + skip_D.astype(x_BTD.dtype) * x_BTD
