"""Attention (arXiv:1706.03762) over documents: grouped heads, sliding window, ALiBi, soft-cap, ring
caches.

Keys of segment EMPTY are empty slots. A query that sees nothing gets zeros.
Grouped-query heads: arXiv:2305.13245; ALiBi: arXiv:2108.12409; soft-cap: arXiv:2408.00118, section
2.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from seqlab.ops.attention_weights import PLAIN, attention_naive
from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product

EMPTY = np.iinfo(np.int32).min  # the segment of no query

# On a CPU queries go in blocks of at least this many, and in at most this many blocks.
_BLOCK, _BLOCKS = 64, 8


def attention(q_BHTK, k_BHSK, v_BHSK, mask, scores=PLAIN, kept_BHTS=None):
  """Attention of q_BHTK over k_BHSK and v_BHSK -> y_BHTK in q's dtype; the softmax is
  float32 at least. Heads come first, as caches hold them: a step of decoding reads each in a piece.

  k and v may have fewer heads: query head h reads head h // (H / Hkv). The output is as wide as
  values, which need not be as wide as keys. Where the times of the mask are known (numpy arrays),
  the op skips what they rule out. kept_BHTS: factors of the weights, for
  dropout; with them no form is used that never has the weights in memory.
  """
  place = backend()
  if place == "reference":
    return attention_naive(q_BHTK, k_BHSK, v_BHSK, mask, scores, kept_BHTS)
  if place == "gpu" and kept_BHTS is None and _cudnn_takes(q_BHTK, k_BHSK, v_BHSK, scores):
    seen_B1TS = mask.seen()[:, None]
    q_BTHK, k_BSHK, v_BSHK = (jnp.swapaxes(x, 1, 2) for x in (q_BHTK, k_BHSK, v_BHSK))
    y_BTHK = jax.nn.dot_product_attention(
      q_BTHK,
      k_BSHK,
      v_BSHK,
      mask=seen_B1TS,
      scale=scores.scale,
      is_causal=_in_order(mask),
      implementation="cudnn",
    )
    if not mask.causal:  # else every query sees itself; cuDNN gives the mean where nothing is seen
      y_BTHK = jnp.where(seen_B1TS.any(-1)[:, 0, :, None, None], y_BTHK, 0)
    return jnp.swapaxes(y_BTHK, 1, 2)
  return _attention_xla(q_BHTK, k_BHSK, v_BHSK, mask, scores, kept_BHTS)


def _in_order(mask):
  """Whether each query sees no later key, and all stand in the order of time."""
  times = (mask.time_T, mask.time_S)
  if not mask.causal or mask.prefix_BS is not None or not _known(*times):
    return False
  return np.array_equal(*times) and bool(np.all(np.diff(mask.time_T) > 0))


def _known(*times):
  return all(isinstance(time, np.ndarray) for time in times)


def _cudnn_takes(q_BHTK, k_BHSK, v_BHSK, scores):
  """Below head width 64 cuDNN is slower than plain XLA; scores other than q k it does not know."""
  half = q_BHTK.dtype in (jnp.bfloat16, jnp.float16)
  width = q_BHTK.shape[-1]
  plain = scores.softcap is None and scores.slopes_H is None and width == v_BHSK.shape[-1]
  whole = q_BHTK.shape[2] == k_BHSK.shape[2] and q_BHTK.shape[2] > 1
  return half and plain and whole and width >= 64 and width % 8 == 0


def _attention_xla(q_BHTK, k_BHSK, v_BHSK, mask, scores, kept_BHTS):
  """Batched matmuls over [B, J]: J key-value heads, each read by G query heads."""
  q_BJGTK = grouped(q_BHTK, k_BHSK.shape[1])
  seen_B11TS = mask.seen()[:, None, None]
  if scores.softcap is None and scores.slopes_H is None and kept_BHTS is None:
    scale = float(q_BHTK.shape[-1] ** -0.5 if scores.scale is None else scores.scale)
    parts = []
    for rows, keys in _blocks(mask):
      k, v = k_BHSK[:, :, keys], v_BHSK[:, :, keys]
      parts.append(_plain(q_BJGTK[:, :, :, rows], k, v, seen_B11TS[..., rows, keys], scale))
    y_BJGTK = jnp.concatenate(parts, 3)
  else:
    s = product(q_BJGTK, k_BHSK, (4,), (3,), (0, 1), (0, 1))
    s = shaped(s, q_BHTK.shape[-1], mask, scores)
    p = jax.nn.softmax(s, -1, where=seen_B11TS)
    if kept_BHTS is not None:
      p *= grouped(kept_BHTS, k_BHSK.shape[1])
    y_BJGTK = product(p.astype(q_BHTK.dtype), v_BHSK, (4,), (2,), (0, 1), (0, 1)).astype(
      q_BHTK.dtype
    )
  return y_BJGTK.reshape(*q_BHTK.shape[:3], -1)


def grouped(x_BHTK, kv_heads):
  """Query heads by the key-value head J that they read: [B, J, G, T, K]."""
  batch, heads, *rest = x_BHTK.shape
  return x_BHTK.reshape(batch, kv_heads, heads // kv_heads, *rest)


def shaped(s_BJGTS, width, mask, scores):
  """q k^T of heads of `width` as `scores` says."""
  s_BJGTS *= width**-0.5 if scores.scale is None else scores.scale
  if scores.softcap is not None:
    s_BJGTS = scores.softcap * jnp.tanh(s_BJGTS / scores.softcap)
  if scores.slopes_H is not None:
    gap_TS = abs(mask.time_T[:, None] - mask.time_S[None, :]).astype(s_BJGTS.dtype)
    slopes_JG11 = scores.slopes_H.reshape(s_BJGTS.shape[1], -1)[:, :, None, None].astype(
      s_BJGTS.dtype
    )
    s_BJGTS -= slopes_JG11 * gap_TS
  return s_BJGTS


def _blocks(mask):
  """Slices (queries, keys) that hold every visible pair: where the times are known when traced
  (numpy arrays, in order), the keys after a block of queries, or a window before it, are skipped.
  """
  time_T, time_S, window = mask.time_T, mask.time_S, mask.window
  causal, length = mask.causal and mask.prefix_BS is None, len(time_T)
  whole = not causal and window is None
  if not _known(time_T, time_S) or whole or length < 2 * _BLOCK or np.any(np.diff(time_S) < 0):
    return [(slice(None), slice(None))]
  size = max(_BLOCK, -(-length // _BLOCKS))
  blocks = []
  for start in range(0, length, size):
    times = time_T[start : start + size]
    first = 0 if window is None else np.searchsorted(time_S, times.min() - window, "right")
    last = len(time_S)
    if causal:
      last = np.searchsorted(time_S, times.max(), "right")
    elif window is not None:
      last = np.searchsorted(time_S, times.max() + window, "left")
    blocks.append((slice(start, start + size), slice(int(first), int(last))))
  return blocks


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _plain(q_BJGTK, k_BJSK, v_BJSK, seen, scale):
  """softmax(q k^T * scale) v, its backward from the saved exponentials and the output."""
  return _plain_forward(q_BJGTK, k_BJSK, v_BJSK, seen, scale)[0]


def _plain_forward(q_BJGTK, k_BJSK, v_BJSK, seen, scale):
  dtype = q_BJGTK.dtype
  # Every barrier here ends a pass over the scores: XLA:CPU would make the exponentials, or the
  # transposed operands, once for each of their readers.
  q_BJGTK = q_BJGTK * jnp.asarray(scale, dtype)
  q_BJGTK, k_BJSK, v_BJSK = lax.optimization_barrier((q_BJGTK, k_BJSK, v_BJSK))
  s = product(q_BJGTK, k_BJSK, (4,), (3,), (0, 1), (0, 1))
  s = lax.optimization_barrier(jnp.where(seen, s, -jnp.inf))
  # The lowest finite number where nothing is seen, so that the exponentials there are 0, not NaN.
  top = jnp.max(s, -1, keepdims=True, initial=jnp.finfo(s.dtype).min)
  p = lax.optimization_barrier(jnp.exp(s - top).astype(dtype))
  total = jnp.sum(p, -1, keepdims=True, dtype=wide(dtype))
  rate = lax.optimization_barrier(jnp.where(total > 0, 1 / total, 0))
  y = (product(p, v_BJSK, (4,), (2,), (0, 1), (0, 1)) * rate).astype(dtype)
  return y, (q_BJGTK, k_BJSK, v_BJSK, p, rate, y)


def _plain_backward(scale, saved, dy):
  q_BJGTK, k_BJSK, v_BJSK, p, rate, y = saved
  dy = dy * rate
  # A product with ones: XLA:CPU sums products of so many axes eight times as slowly.
  ones = jnp.ones((y.shape[-1], 1), p.dtype)
  inner = product((dy * y).astype(p.dtype), ones, (4,), (0,))
  dy, inner = lax.optimization_barrier((dy.astype(p.dtype), inner))
  dp = product(dy, v_BJSK, (4,), (3,), (0, 1), (0, 1))
  ds = lax.optimization_barrier((p * (dp - inner)).astype(p.dtype))
  dq = (product(ds, k_BJSK, (4,), (2,), (0, 1), (0, 1)) * scale).astype(p.dtype)
  dk = product(ds, q_BJGTK, (2, 3), (2, 3), (0, 1), (0, 1)).astype(p.dtype)
  dv = product(p, dy, (2, 3), (2, 3), (0, 1), (0, 1)).astype(p.dtype)
  return dq, dk, dv, None


_plain.defvjp(_plain_forward, _plain_backward)
