"""A causal convolution of each channel by itself over the last few steps of a document, which
stands before many recurrences (arXiv:2312.00752, section 3.4).
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def short_convolution_naive(x_BTF, w_WF, pos_BT, before_BWF):
  """The loop, one step at a time, over a window of inputs."""
  dtype = wide(x_BTF.dtype)

  def step(window_BWF, now):
    x_BF, pos_B = now
    window_BWF = jnp.concatenate([window_BWF, x_BF[:, None]], 1)
    lag_W = jnp.arange(len(w_WF))[::-1]
    seen_BWF = jnp.where((pos_B[:, None] >= lag_W)[..., None], window_BWF, 0)
    return window_BWF[:, 1:], jnp.sum(seen_BWF * w_WF, 1)

  each = jnp.swapaxes(x_BTF, 0, 1).astype(dtype), pos_BT.T
  last_BWF, y_TBF = lax.scan(step, before_BWF.astype(dtype), each)
  return jnp.swapaxes(y_TBF, 0, 1).astype(x_BTF.dtype), last_BWF.astype(before_BWF.dtype)


def short_convolution(x_BTF, w_WF, pos_BT, before_BWF):
  """y_t = sum over i of w_i x_{t - (W - 1) + i}, inputs of other documents being 0.

  x_BTF: [B, T, F]; w_WF: [W, F]; pos_BT: positions in the document; before_BWF: the W - 1 inputs
  before, in the dtype of a state. Returns (y_BTF in x's dtype, the last W - 1 inputs).
  """
  if backend() == "reference":
    return short_convolution_naive(x_BTF, w_WF, pos_BT, before_BWF)
  length, size = x_BTF.shape[1], len(w_WF)
  all_BTF = jnp.concatenate([before_BWF.astype(x_BTF.dtype), x_BTF], 1)
  y_BTF = jnp.zeros((), wide(x_BTF.dtype))
  for lag in range(size):
    x = lax.slice_in_dim(all_BTF, size - 1 - lag, size - 1 - lag + length, axis=1)
    y_BTF += jnp.where((pos_BT >= lag)[..., None], x, 0) * w_WF[size - 1 - lag]
  last_BWF = all_BTF[:, length:].astype(before_BWF.dtype)
  return y_BTF.astype(x_BTF.dtype), last_BWF
