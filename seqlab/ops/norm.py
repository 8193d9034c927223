"""Normalisation over the last axis: RMSNorm (arXiv:1910.07467) and LayerNorm (arXiv:1607.06450).

Statistics are made in float32 at least, the variance from centred values, since the difference of
two means of squares has no digits where the mean is far from 0; the result has the dtype of x.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def rms_norm_naive(x, scale_D, eps: float = 1e-6):
  """x / sqrt(mean(x^2) + eps) * scale."""
  y = x.astype(wide(x.dtype))
  return (y / jnp.sqrt(jnp.mean(y**2, -1, keepdims=True) + eps) * scale_D).astype(x.dtype)


def rms_norm(x, scale_D, eps: float = 1e-6):
  """x: [..., D] of any float dtype, scale_D: [D] -> [..., D] in x's dtype."""
  y = x.astype(wide(x.dtype))
  y = y * lax.rsqrt(jnp.mean(y * y, -1, keepdims=True) + eps)
  return (y * scale_D.astype(y.dtype)).astype(x.dtype)


def layer_norm_naive(x, scale_D, bias_D=None, eps: float = 1e-5):
  """(x - mean) / sqrt(variance + eps) * scale + bias, the variance from the centred values."""
  y = x.astype(wide(x.dtype))
  y = y - jnp.mean(y, -1, keepdims=True)
  y = y / jnp.sqrt(jnp.mean(y**2, -1, keepdims=True) + eps) * scale_D
  return (y if bias_D is None else y + bias_D).astype(x.dtype)


def layer_norm(x, scale_D, bias_D=None, eps: float = 1e-5):
  """x: [..., D], scale_D and bias_D: [D] -> [..., D] in x's dtype."""
  if backend() == "reference":
    return layer_norm_naive(x, scale_D, bias_D, eps)
  y = _layer_norm(x, scale_D, eps)
  return y if bias_D is None else y + bias_D.astype(x.dtype)


def _statistics(x, eps):
  """Mean and 1 / standard deviation of the last axis."""
  mean = jnp.mean(x, -1, keepdims=True)
  return mean, lax.rsqrt(jnp.mean(jnp.square(x - mean), -1, keepdims=True) + eps)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _layer_norm(x, scale_D, eps):
  return _layer_norm_forward(x, scale_D, eps)[0]


def _layer_norm_forward(x, scale_D, eps):
  wide_x = x.astype(wide(x.dtype))
  mean, rate = lax.optimization_barrier(_statistics(wide_x, eps))
  y = (wide_x - mean) * rate * scale_D.astype(wide_x.dtype)
  return y.astype(x.dtype), (x, scale_D, mean, rate)


def _layer_norm_backward(eps, saved, dy):
  x, scale_D, mean, rate = saved
  y = (x.astype(mean.dtype) - mean) * rate
  dy = dy.astype(mean.dtype)
  dscale_D = jnp.sum(dy * y, range(x.ndim - 1)).astype(scale_D.dtype)
  g = dy * scale_D.astype(mean.dtype)
  mean_g, mean_gy = jnp.mean(g, -1, keepdims=True), jnp.mean(g * y, -1, keepdims=True)
  mean_g, mean_gy = lax.optimization_barrier((mean_g, mean_gy))
  return ((g - mean_g - y * mean_gy) * rate).astype(x.dtype), dscale_D


_layer_norm.defvjp(_layer_norm_forward, _layer_norm_backward)
