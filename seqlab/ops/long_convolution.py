"""A causal convolution of each channel by itself over the past of a document, with a filter as long
as that (Hyena, arXiv:2302.10866, equation 4).

    y_t = sum over lags l of h_l u_{t-l}

By Fourier transforms, document by document: the documents of a number in all rows are transformed
together, and what is kept for the gradient is what was given. A transform has the digits of the
largest input of a document: one a million times as large as others leaves rounding in outputs
before it.
"""

import jax
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
  return _by_transforms(u_BTF, h_LF, pos_BT, past_BSF)


@jax.custom_vjp  # a loop of as many turns as there are documents has no gradient of its own
def _by_transforms(u_BTF, h_LF, pos_BT, past_BSF):
  number_BT, first, end = _documents(pos_BT)

  def add(number, y_BTF):
    return y_BTF + _of_document(number, number_BT, pos_BT, u_BTF, h_LF, past_BSF)

  return lax.fori_loop(first, end, add, _of_one_token(number_BT, u_BTF, h_LF))


def _forward(u_BTF, h_LF, pos_BT, past_BSF):
  return _by_transforms(u_BTF, h_LF, pos_BT, past_BSF), (u_BTF, h_LF, pos_BT, past_BSF)


def _backward(given, dy_BTF):
  u_BTF, h_LF, pos_BT, past_BSF = given
  number_BT, first, end = _documents(pos_BT)

  def back(of):
    return jax.vjp(of, u_BTF, h_LF, past_BSF)[1](dy_BTF)

  def add(number, sums):
    one = back(lambda *given: _of_document(number, number_BT, pos_BT, *given))
    return jax.tree.map(jnp.add, sums, one)

  alone = back(lambda u_BTF, h_LF, past_BSF: _of_one_token(number_BT, u_BTF, h_LF))
  du_BTF, dh_LF, dpast_BSF = lax.fori_loop(first, end, add, alone)
  return du_BTF, dh_LF, None, dpast_BSF


_by_transforms.defvjp(_forward, _backward)


def _documents(pos_BT):
  """(which document of its row each token is of, -1 for a document of one token alone, which sees
  only itself; the numbers that there are in any row, from and to). 0 is one that began before.
  """
  follows_BT = pos_BT > 0
  begins_BT = ~follows_BT & jnp.pad(follows_BT[:, 1:], ((0, 0), (0, 1)))
  number_BT = jnp.where(follows_BT | begins_BT, jnp.cumsum(begins_BT, 1), -1)
  first = jnp.where(jnp.any(number_BT == 0), 0, 1)
  return number_BT, first, jnp.max(number_BT) + 1


def _of_one_token(number_BT, u_BTF, h_LF):
  """What documents of one token say, [B, T, F], and 0 elsewhere."""
  dtype = wide(u_BTF.dtype)
  return jnp.where((number_BT < 0)[..., None], u_BTF.astype(dtype) * h_LF[0].astype(dtype), 0)


def _of_document(number, number_BT, pos_BT, u_BTF, h_LF, past_BSF):
  """What the documents of a number say, [B, T, F], and 0 elsewhere."""
  dtype, length, before = wide(u_BTF.dtype), u_BTF.shape[1], past_BSF.shape[1]
  own_BT1 = (number_BT == number)[..., None]
  lag_S = jnp.arange(before, 0, -1)  # of the past, from the first of these tokens
  seen_BS = (pos_BT[:, :1] >= lag_S) & (number == 0)
  past_BSF = jnp.where(seen_BS[..., None], past_BSF, 0)
  u_BTF = jnp.where(own_BT1, u_BTF, 0)
  all_BSF = jnp.concatenate([past_BSF.astype(dtype), u_BTF.astype(dtype)], 1)
  size = before + length + len(h_LF)
  both = jnp.fft.rfft(all_BSF, size, 1) * jnp.fft.rfft(h_LF.astype(dtype), size, 0)
  y_BTF = jnp.fft.irfft(both, size, 1)[:, before : before + length].astype(dtype)
  return jnp.where(own_BT1, y_BTF, 0)
