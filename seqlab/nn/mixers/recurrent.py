"""What the gated recurrences share: the projection of the input to gates, and the way back to the
width."""

import math

import flax.linen as nn
import jax

from seqlab import axes
from seqlab.nn.layers import weight
from seqlab.ops.dense import dense


def gates(
  module: nn.Module, x_BTD: jax.Array, count: int, hidden: int, biases: tuple[float, ...]
) -> jax.Array:
  """`x @ w_DGF + bias_GF`, all gates and all times in one product; the biases start at `biases`."""
  w_DGF = weight(module, "w_DGF", (x_BTD.shape[-1], count, hidden))
  bias_GF = module.param("bias_GF", lambda _, shape: _rows(biases, shape), (count, hidden))
  x_BTGF = dense(x_BTD, w_DGF) + bias_GF.astype(x_BTD.dtype)
  return axes.constrain(x_BTGF, "BTGF")


def recurrent_weight(module: nn.Module, count: int, hidden: int) -> jax.Array:
  """`recurrent_FGF`: from the hidden state to all gates, 1/sqrt(hidden) as cuDNN and PyTorch scale
  it."""
  return weight(module, "recurrent_FGF", (hidden, count, hidden), std=1 / math.sqrt(3 * hidden))


def project_out(module: nn.Module, h_BTF: jax.Array, x_BTD: jax.Array, hidden: int) -> jax.Array:
  """The hidden states as the mixer's output; a product only where a hidden width of its own was
  asked for."""
  h_BTF = h_BTF.astype(x_BTD.dtype)
  if not hidden:
    return h_BTF
  return dense(h_BTF, weight(module, "out_FD", (hidden, x_BTD.shape[-1])))


def _rows(values: tuple[float, ...], shape: tuple[int, ...]) -> jax.Array:
  import jax.numpy as jnp

  return jnp.broadcast_to(jnp.asarray(values, jnp.float32)[:, None], shape)
