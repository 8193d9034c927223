"""A causal convolution of each channel by itself over the past of a document, with a filter as long
as that (Hyena, arXiv:2302.10866, equation 4).

    y_t = sum over lags l of h_l u_{t-l}

By Fourier transforms where no document begins within a row; else lag by lag, which takes a square
of the length. A transform has the digits of the largest input of a row: one a million times as
large as others leaves rounding in outputs before it.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def long_convolution_naive(u_BTF, h_LF, pos_BT, past_BSF):
  """Lag by lag."""
  dtype, length, before = wide(u_BTF.dtype), u_BTF.shape[1], past_BSF.shape[1]
  all_BSF = jnp.concatenate([past_BSF.astype(dtype), u_BTF.astype(dtype)], 1)
  all_BSF = jnp.pad(all_BSF, ((0, 0), (len(h_LF), 0), (0, 0)))

  def add(y_BTF, now):
    lag, h_F = now
    u = lax.dynamic_slice_in_dim(all_BSF, len(h_LF) + before - lag, length, axis=1)
    return y_BTF + jnp.where((pos_BT >= lag)[..., None], u, 0) * h_F, None

  each = jnp.arange(len(h_LF)), h_LF.astype(dtype)
  return lax.scan(add, jnp.zeros(u_BTF.shape, dtype), each)[0]


def long_convolution(u_BTF, h_LF, pos_BT, past_BSF):
  """u_BTF: [B, T, F]; h_LF: the filter by lag, at most S + T of them; pos_BT: positions in the
  document; past_BSF: the S inputs before. Returns y_BTF in float32 at least.
  """
  if backend() == "reference":
    return long_convolution_naive(u_BTF, h_LF, pos_BT, past_BSF)
  if u_BTF.shape[1] == 1:
    all_BSF = jnp.concatenate([past_BSF, u_BTF.astype(past_BSF.dtype)], 1)[:, ::-1][:, : len(h_LF)]
    seen_BS1 = (pos_BT >= jnp.arange(len(h_LF)))[..., None]
    return jnp.sum(jnp.where(seen_BS1, all_BSF, 0) * h_LF, 1, keepdims=True)
  one_document = jnp.all(pos_BT[:, 1:] > 0)
  arguments = u_BTF, h_LF, pos_BT, past_BSF
  return lax.cond(one_document, _by_transforms, long_convolution_naive, *arguments)


def _by_transforms(u_BTF, h_LF, pos_BT, past_BSF):
  dtype, length, before = wide(u_BTF.dtype), u_BTF.shape[1], past_BSF.shape[1]
  lag_S = jnp.arange(before, 0, -1)  # of the past, from the first of these tokens
  past_BSF = jnp.where((pos_BT[:, :1] >= lag_S)[..., None], past_BSF, 0)
  all_BSF = jnp.concatenate([past_BSF.astype(dtype), u_BTF.astype(dtype)], 1)
  size = before + length + len(h_LF)
  both = jnp.fft.rfft(all_BSF, size, 1) * jnp.fft.rfft(h_LF.astype(dtype), size, 0)
  return jnp.fft.irfft(both, size, 1)[:, before : before + length].astype(dtype)
