"""A causal convolution of each channel by itself over the last few steps of a document, which
stands before many recurrences (arXiv:2312.00752, section 3.4).
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product
from seqlab.ops.parts_of_time import with_earlier


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


def short_convolution(x_BTF, w_WF, pos_BT, before_BWF, *, axis=None):
  """y_t = sum over i of w_i x_{t - (W - 1) + i}, inputs of other documents being 0.

  x_BTF: [B, T, F]; w_WF: [W, F]; pos_BT: positions in the document; before_BWF: the W - 1 inputs
  before, in the dtype of a state. Returns (y_BTF in x's dtype, the last W - 1 inputs). axis: of the
  mesh that is set, where time lies along it and is divided by it.
  """
  if backend() == "reference":
    return short_convolution_naive(x_BTF, w_WF, pos_BT, before_BWF)
  before_BWF, dtype = before_BWF.astype(x_BTF.dtype), before_BWF.dtype
  y_BTF, last_BWF = with_earlier(
    lambda all_BTF, pos_BT: behind(all_BTF, w_WF, pos_BT), before_BWF, x_BTF, pos_BT, axis=axis
  )
  return y_BTF, last_BWF.astype(dtype)


@jax.custom_vjp
def behind(all_TF, w_WF, pos_T):
  """The outputs of all inputs, [..., W - 1 + T, F], but the first W - 1, which come before."""
  length, size = pos_T.shape[-1], len(w_WF)
  y_TF = jnp.zeros((), wide(all_TF.dtype))
  for lag in range(size):
    x_TF = lax.slice_in_dim(all_TF, size - 1 - lag, size - 1 - lag + length, axis=-2)
    y_TF += jnp.where((pos_T >= lag)[..., None], x_TF, 0) * w_WF[size - 1 - lag]
  return y_TF.astype(all_TF.dtype)


def _forward(all_TF, w_WF, pos_T):
  return behind(all_TF, w_WF, pos_T), (all_TF, w_WF, pos_T)


def _backward(saved, dy_TF):
  all_TF, w_WF, pos_T = saved
  size, length = len(w_WF), all_TF.shape[-2]
  dy_TF = lax.optimization_barrier(dy_TF.astype(wide(dy_TF.dtype)))
  # Slices of what is padded once fuse into one loop; a pad for each lag would not.
  around = *((0, 0),) * (pos_T.ndim - 1), (size - 1, size - 1)
  wide_T = jnp.pad(pos_T, around, constant_values=-1)
  wide_TF = lax.optimization_barrier(jnp.pad(dy_TF, (*around, (0, 0))))
  dall_TF, dw = jnp.zeros((), dy_TF.dtype), []
  for lag in range(size):
    seen_T = wide_T[..., lag : lag + length] >= lag
    g_TF = jnp.where(seen_T[..., None], wide_TF[..., lag : lag + length, :], 0)
    dall_TF += g_TF * w_WF[size - 1 - lag]
    dw.append(_over_rows(g_TF * all_TF))
  dw_WF = jnp.stack(dw[::-1])
  return dall_TF.astype(all_TF.dtype), dw_WF.astype(w_WF.dtype), None


behind.defvjp(_forward, _backward)


def _over_rows(x_TF):
  """The sum over all axes but the last, as a product with ones: XLA:CPU sums the first axes of an
  array many times as slowly.
  """
  axes = tuple(range(x_TF.ndim - 1))
  if backend() != "cpu":
    return jnp.sum(x_TF, axes)
  return product(jnp.ones(x_TF.shape[:-1], x_TF.dtype), x_TF, axes, axes)
