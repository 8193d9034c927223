"""Normalisation over the last axis: RMSNorm (arXiv:1910.07467) and LayerNorm (arXiv:1607.06450).

Statistics are made in one pass, in float32 at least; the result has the dtype of x.
"""

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
  """x: [..., D], scale_D and bias_D: [D] -> [..., D] in x's dtype; the variance is E[x^2] - E[x]^2,
  clamped at 0."""
  if backend() == "reference":
    return layer_norm_naive(x, scale_D, bias_D, eps)
  y = x.astype(wide(x.dtype))
  mean = jnp.mean(y, -1, keepdims=True)
  variance = jnp.maximum(jnp.mean(y * y, -1, keepdims=True) - mean * mean, 0)
  y = (y - mean) * (lax.rsqrt(variance + eps) * scale_D.astype(y.dtype))
  return (y if bias_D is None else y + bias_D.astype(y.dtype)).astype(x.dtype)
