"""A causal convolution of each channel by itself over the last few steps of a document, which
stands before many recurrences (arXiv:2312.00752, section 3.4).
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product


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
  all_BTF = jnp.concatenate([before_BWF.astype(x_BTF.dtype), x_BTF], 1)
  y_BTF = _convolved(all_BTF, w_WF, pos_BT)
  return y_BTF, all_BTF[:, x_BTF.shape[1] :].astype(before_BWF.dtype)


@jax.custom_vjp
def _convolved(all_BTF, w_WF, pos_BT):
  """The outputs of all inputs but the first W - 1, which come before."""
  length, size = pos_BT.shape[1], len(w_WF)
  y_BTF = jnp.zeros((), wide(all_BTF.dtype))
  for lag in range(size):
    x_BTF = lax.slice_in_dim(all_BTF, size - 1 - lag, size - 1 - lag + length, axis=1)
    y_BTF += jnp.where((pos_BT >= lag)[..., None], x_BTF, 0) * w_WF[size - 1 - lag]
  return y_BTF.astype(all_BTF.dtype)


def _forward(all_BTF, w_WF, pos_BT):
  return _convolved(all_BTF, w_WF, pos_BT), (all_BTF, w_WF, pos_BT)


def _backward(saved, dy_BTF):
  all_BTF, w_WF, pos_BT = saved
  size = len(w_WF)
  dy_BTF = lax.optimization_barrier(dy_BTF.astype(wide(dy_BTF.dtype)))
  # Slices of what is padded once fuse into one loop; a pad for each lag would not.
  around = (0, 0), (size - 1, size - 1)
  wide_BT = jnp.pad(pos_BT, around, constant_values=-1)
  wide_BTF = lax.optimization_barrier(jnp.pad(dy_BTF, (*around, (0, 0))))
  dall_BTF, dw = jnp.zeros((), dy_BTF.dtype), []
  for lag in range(size):
    seen_BT = wide_BT[:, lag : lag + all_BTF.shape[1]] >= lag
    g_BTF = wide_BTF[:, lag : lag + all_BTF.shape[1]]
    g_BTF = jnp.where(seen_BT[..., None], g_BTF, 0)
    dall_BTF += g_BTF * w_WF[size - 1 - lag]
    dw.append(_over_rows(g_BTF * all_BTF))
  dw_WF = jnp.stack(dw[::-1])
  return dall_BTF.astype(all_BTF.dtype), dw_WF.astype(w_WF.dtype), None


_convolved.defvjp(_forward, _backward)


def _over_rows(x_BTF):
  """The sum over rows and steps, as a product with ones: XLA:CPU sums the first axes of an array
  many times as slowly.
  """
  if backend() != "cpu":
    return jnp.sum(x_BTF, (0, 1))
  return product(jnp.ones(x_BTF.shape[:2], x_BTF.dtype), x_BTF, (0, 1), (0, 1))
