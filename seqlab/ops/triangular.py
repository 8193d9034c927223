"""Triangular systems of chunks, many small ones at once: (1 + M) X = Y with M below its diagonal.

`lax.linalg.triangular_solve` takes them one by one on a CPU, and column by column on accelerators.
Here the inverse is made of products: that of a block of two halves is

    (A 0; C B)^-1 = (A^-1 0; -B^-1 C A^-1 B^-1)

for all blocks of a size at once, sizes doubling from 1 (as in arXiv:2406.06484, section 3.3).
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend


def unit_triangular_solve_naive(m, y):
  """By substitution."""
  return lax.linalg.triangular_solve(m, y, left_side=True, lower=True, unit_diagonal=True)


def unit_triangular_solve(m, y):
  """m: [..., W, W], of which only what is below the diagonal is read; y: [..., W, K] -> x, [..., W,
  K] with (1 + m) x = y.
  """
  if backend() == "reference":
    return unit_triangular_solve_naive(m, y)
  return _solve(m, y)


@jax.custom_vjp
def _solve(m, y):
  return _forward(m, y)[0]


def _forward(m, y):
  inverse = _inverse(m)
  x = _product(inverse, y)
  return x, (inverse, x)


def _backward(saved, dx):
  inverse, x = saved
  dy = _product(jnp.swapaxes(inverse, -1, -2), dx)
  return -jnp.tril(_product(dy, jnp.swapaxes(x, -1, -2)), -1), dy


_solve.defvjp(_forward, _backward)


def _product(x, y):
  """In all digits, whatever an accelerator's products of float32 leave out by default."""
  return jnp.matmul(x, y, precision="highest")


def _inverse(m):
  """Of 1 + m."""
  size = m.shape[-1]
  whole = 1 << (size - 1).bit_length()
  m = jnp.pad(m, (*((0, 0),) * (m.ndim - 2), *((0, whole - size),) * 2))
  made = jnp.ones((*m.shape[:-2], whole, 1, 1), m.dtype)  # the inverses of blocks on the diagonal
  half = 1
  while half < whole:
    blocks = m.reshape(*m.shape[:-2], whole // (2 * half), 2, half, whole // (2 * half), 2, half)
    below = jnp.moveaxis(jnp.diagonal(blocks[..., 1, :, :, 0, :], axis1=-4, axis2=-2), -1, -3)
    first, second = made[..., 0::2, :, :], made[..., 1::2, :, :]
    corner = -_product(_product(second, below), first)
    top = jnp.concatenate([first, jnp.zeros_like(first)], -1)
    made = jnp.concatenate([top, jnp.concatenate([corner, second], -1)], -2)
    half *= 2
  return made[..., 0, :size, :size]
