"""The exact GELU (arXiv:1606.08415, x * Phi(x)), with the normal distribution function written out
by erf.

`jax.nn.gelu(approximate=False)` goes through erfc, which costs a transformer step on CPU a tenth of
its time.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def gelu_naive(x):
  """x * Phi(x), any shape, in x's dtype."""
  y = x.astype(wide(x.dtype))
  return (y * jax.scipy.stats.norm.cdf(y)).astype(x.dtype)


def gelu(x):
  """x * (1 + erf(x / sqrt 2)) / 2, any shape, in x's dtype."""
  return gelu_naive(x) if backend() == "reference" else _gelu(x)


def _cdf(y):
  return 0.5 + 0.5 * lax.erf(y * math.sqrt(0.5))


@jax.custom_vjp
def _gelu(x):
  y = x.astype(wide(x.dtype))
  return (y * _cdf(y)).astype(x.dtype)


def _gelu_forward(x):
  y = x.astype(wide(x.dtype))
  cdf = _cdf(y)
  return (y * cdf).astype(x.dtype), (x, cdf.astype(x.dtype))


def _gelu_backward(saved, dy):
  x, cdf = saved
  y = x.astype(wide(x.dtype))
  density = jnp.exp(-0.5 * y * y) * (1 / math.sqrt(2 * math.pi))
  return ((dy * (cdf + y * density)).astype(x.dtype),)


_gelu.defvjp(_gelu_forward, _gelu_backward)
