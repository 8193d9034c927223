"""Cross entropy, and the form of it that never holds every float32 logit.

The chunked form makes the gradients of x and of the head in the forward pass, chunk by chunk (as
Liger-Kernel, arXiv:2410.10989): three matmuls where rematerialising would take four, and one chunk
of logits in memory.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product

# Float32 logits held at once: 128 MB on a CPU. An accelerator has the memory and would rather have
# one large matmul.
_LOGITS_AT_ONCE = {"cpu": 2**25}
_LOGITS_AT_ONCE_ELSEWHERE = 2**31


def cross_entropy(logits_NV, labels_N):
  """logits_NV: [..., V], labels_N: int [...] -> (nll_N, lse_N) in float32 at least."""
  logits_NV = logits_NV.astype(wide(logits_NV.dtype))
  lse_N = jax.nn.logsumexp(logits_NV, -1)
  return lse_N - jnp.take_along_axis(logits_NV, labels_N[..., None], -1)[..., 0], lse_N


def binary_cross_entropy(logits, x):
  """Of each number x, 0 to 1, under Bernoulli's law with these logits of the same shape."""
  return jax.nn.softplus(logits) - x * logits


def chunked_cross_entropy_naive(x_BTD, head_VD, labels_BT, weight_BT, *, z_loss: float = 0.0):
  """All logits at once."""
  logits_BTV = product(x_BTD, head_VD, (2,), (1,))
  nll_BT, lse_BT = cross_entropy(logits_BTV, labels_BT)
  nll = lax.stop_gradient(jnp.sum(weight_BT * nll_BT))
  return jnp.sum(weight_BT * (nll_BT + z_loss * lse_BT**2)), nll


def chunked_cross_entropy(
  x_BTD, head_VD, labels_BT, weight_BT, *, z_loss: float = 0.0, chunk: int | None = None
):
  """Returns (loss, nll): sums over tokens of weight * (nll + z_loss * lse^2), and of weight * nll.

  x_BTD: any float dtype, head_VD: the output embedding, labels_BT: int, weight_BT: float. Both sums
  are float32 at least; no gradient flows through the second. z_loss is that of PaLM
  (arXiv:2204.02311, section 5).
  chunk: time steps whose logits are held at once; None chooses by size, and takes small problems
  whole.
  """
  if backend() == "reference":
    return chunked_cross_entropy_naive(x_BTD, head_VD, labels_BT, weight_BT, z_loss=z_loss)
  chunk = _steps(x_BTD, head_VD, chunk)
  loss, nll = _chunked(x_BTD, head_VD, labels_BT, weight_BT, float(z_loss), chunk)
  return loss, lax.stop_gradient(nll)


def likeliest(x_BTD, head_VD, chunk: int | None = None):
  """The id of the highest logit of each token, int32 [B, T], with as many logits held at once."""
  head_VD = head_VD.astype(x_BTD.dtype)

  def step(_, inputs):
    return _, jnp.argmax(product(inputs[0], head_VD, (2,), (1,)), -1).astype(jnp.int32)

  _, ids = _loop(step, None, _split((x_BTD,), _steps(x_BTD, head_VD, chunk)))
  return _join(ids, x_BTD.shape[1])


def _steps(x_BTD, head_VD, chunk):
  """Time steps whose logits are held at once."""
  batch, length, _ = x_BTD.shape
  if chunk is None:
    at_once = _LOGITS_AT_ONCE.get(backend(), _LOGITS_AT_ONCE_ELSEWHERE)
    chunk = max(1, at_once // (batch * head_VD.shape[0]))
  return min(chunk, length)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _chunked(x_BTD, head_VD, labels_BT, weight_BT, z_loss, chunk):
  def one(x_BCD, labels_BC, weight_BC):
    nll_BC, lse_BC = cross_entropy(product(x_BCD, head_VD, (2,), (1,)), labels_BC)
    return jnp.sum(weight_BC * (nll_BC + z_loss * lse_BC**2)), jnp.sum(weight_BC * nll_BC)

  def step(sums, inputs):
    return jax.tree.map(jnp.add, sums, one(*inputs)), None

  inputs = _split((x_BTD, labels_BT, weight_BT), chunk)
  zero = jnp.zeros((), wide(x_BTD.dtype))
  return _loop(step, (zero, zero), inputs)[0]


def _forward(x_BTD, head_VD, labels_BT, weight_BT, z_loss, chunk):
  dtype = wide(x_BTD.dtype)
  head = head_VD.astype(x_BTD.dtype)

  def step(sums, inputs):
    loss, nll, dhead_VD = sums
    x_BCD, labels_BC, weight_BC = inputs
    logits_BCV = product(x_BCD, head, (2,), (1,))
    nll_BC, lse_BC = cross_entropy(logits_BCV, labels_BC)
    each_BC = nll_BC + z_loss * lse_BC**2
    up_BC = weight_BC * (1 + 2 * z_loss * lse_BC)
    hit_BCV = labels_BC[..., None] == jnp.arange(head.shape[0], dtype=labels_BC.dtype)
    d_BCV = jnp.exp(logits_BCV - lse_BC[..., None]) * up_BC[..., None]
    d_BCV = jnp.where(hit_BCV, d_BCV - weight_BC[..., None], d_BCV).astype(head.dtype)
    d_BCV = lax.optimization_barrier(d_BCV)
    dx_BCD = product(d_BCV, head, (2,), (0,)).astype(x_BTD.dtype)
    dhead_VD = dhead_VD + product(d_BCV, x_BCD, (0, 1), (0, 1))
    loss, nll = loss + jnp.sum(weight_BC * each_BC), nll + jnp.sum(weight_BC * nll_BC)
    return (loss, nll, dhead_VD), (dx_BCD, each_BC)

  zero = jnp.zeros((), dtype)
  sums = (zero, zero, jnp.zeros(head.shape, dtype))
  inputs = _split((x_BTD, labels_BT, weight_BT), chunk)
  (loss, nll, dhead_VD), (dx, each) = _loop(step, sums, inputs)
  length = x_BTD.shape[1]
  saved = (_join(dx, length), dhead_VD.astype(head_VD.dtype), _join(each, length))
  return (loss, nll), (*saved, jnp.zeros((), weight_BT.dtype))


def _backward(z_loss, chunk, saved, gradients):
  dx_BTD, dhead_VD, each_BT, like = saved
  g = gradients[0]
  dx_BTD, dhead_VD = ((g * d).astype(d.dtype) for d in (dx_BTD, dhead_VD))
  return dx_BTD, dhead_VD, None, (g * each_BT).astype(like.dtype)


_chunked.defvjp(_forward, _backward)


def _split(arrays, chunk):
  """Each [B, T, ...] as [n, B, chunk, ...], zero-padded, chunk i holding the steps i, i + n, i +
  2n, ...

  With T sharded in blocks, a strided chunk has its share on every device: no gather.
  """
  length = arrays[0].shape[1]
  count = -(-length // chunk)
  size = -(-length // count)

  def split(x):
    x = jnp.pad(x, [(0, 0), (0, count * size - length)] + [(0, 0)] * (x.ndim - 2))
    return jnp.moveaxis(x.reshape(x.shape[0], size, count, *x.shape[2:]), 2, 0)

  return tuple(split(x) for x in arrays)


def _join(x, length):
  """The inverse of `_split` for one array."""
  x = jnp.moveaxis(x, 0, 2)
  return x.reshape(x.shape[0], -1, *x.shape[3:])[:, :length]


def _loop(step, carry, inputs):
  """`lax.scan`, without the loop where there is one chunk."""
  if inputs[0].shape[0] > 1:
    return lax.scan(step, carry, inputs)
  carry, made = step(carry, tuple(x[0] for x in inputs))
  return carry, jax.tree.map(lambda x: x[None], made)
