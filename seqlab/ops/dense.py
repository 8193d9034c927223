"""Matrix products with float32 masters: `dense`, and the bare `product` and `matmul` that other ops
use.

Owes the rest: the sum is accumulated in float32 (or wider), the result has the dtype of x, and the
gradient of w comes back in w's own dtype. Batch axes of x are never merged, so any of them may be
sharded.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def product(x, y, contract_x, contract_y, batch_x=(), batch_y=()):
  """`lax.dot_general` of x and y (cast to x's dtype), accumulated and returned in the wide dtype of
  x.

  On CPU bfloat16 needs exactly this call: `bf16 @ bf16` is silently upcast, this form reaches the
  bfloat16 kernels.
  """
  dimensions = ((tuple(contract_x), tuple(contract_y)), (tuple(batch_x), tuple(batch_y)))
  return lax.dot_general(x, y.astype(x.dtype), dimensions, preferred_element_type=wide(x.dtype))


def matmul(x, y):
  """x @ y over the last two axes, batch axes broadcast, accumulated and returned in the wide dtype
  of x, to which y is cast.
  """
  return jnp.matmul(x, y.astype(x.dtype), preferred_element_type=wide(x.dtype))


def turned(w):
  """w with its last two axes changed about in memory, for the products of a backward loop: XLA:CPU
  takes up to half again as long where it finds them so at every step.
  """
  return lax.optimization_barrier(jnp.swapaxes(w, -1, -2))


def dense_naive(x, w, contract: int = 1):
  """x: [..., in...], w: [in..., out...] -> [..., out...] in x's dtype."""
  return jnp.tensordot(x, w.astype(x.dtype), contract, preferred_element_type=wide(x.dtype)).astype(
    x.dtype
  )


def dense(x, w, contract: int = 1):
  """Contracts the last `contract` axes of x with the first `contract` axes of w.

  x: [..., in...], w: [in..., out...] of any float dtype -> [..., out...] in x's dtype.
  """
  if backend() == "cpu":
    return _dense_cpu(x, w, contract)
  return dense_naive(x, w, contract)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _dense_cpu(x, w, contract):
  return product(x, w, range(x.ndim - contract, x.ndim), range(contract)).astype(x.dtype)


def _dense_forward(x, w, contract):
  # XLA:CPU would otherwise make x again inside the strided copy that feeds the weight gradient.
  x = lax.optimization_barrier(x)
  return _dense_cpu(x, w, contract), (x, w)


def _dense_backward(contract, saved, dy):
  x, w = saved
  dy = lax.optimization_barrier(dy)
  rows = range(x.ndim - contract)
  outs = range(contract, w.ndim)
  dx = product(dy, w, range(len(rows), dy.ndim), outs).astype(x.dtype)
  # One operand of the weight gradient must be transposed: the narrower one.
  if math.prod(w.shape[:contract]) <= math.prod(w.shape[contract:]):
    dw = product(x, dy, rows, rows)
  else:
    # Without the barrier XLA folds the transpose back into the product, which leaves the fast path.
    dw = lax.optimization_barrier(product(dy, x, rows, rows))
    dw = jnp.transpose(dw, (*range(len(outs), w.ndim), *range(len(outs))))
  return dx, dw.astype(w.dtype)


_dense_cpu.defvjp(_dense_forward, _dense_backward)
