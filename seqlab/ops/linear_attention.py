"""Linear attention with decay, a recurrence over matrices:

    S_t = exp(g_t) * S_{t-1} + k_t v_t^T,    y_t = q_t S_t

One decay a head and step is that of Mamba-2 (SSD, arXiv:2405.21060, equation 1) and RetNet
(arXiv:2307.08621, equation 6), one a key channel that of GLA (arXiv:2312.06635, equation 3); none
is linear attention itself (arXiv:2006.16236).

The fast form cuts time into chunks: inside one every query meets every key at once, from chunk to
chunk goes a matrix. All decays are exponents of sums that are negative or zero, so that none
overflows; where each channel decays by itself, a pair of steps has a decay in each channel and the
chunks are short.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.chunks import ALL, Decays, in_chunks, out_of_chunks, over_chunks
from seqlab.ops.dense import matmul
from seqlab.ops.parts_of_time import parts_along

CHUNK, CHANNEL_CHUNK = 64, 16


def linear_attention_naive(q_BHTN, k_BHTN, v_BHTK, g_BHTN, reset_BT, s_BHNK):
  """The loop, one step at a time."""
  dtype = wide(v_BHTK.dtype)

  def step(s_BHNK, now):
    q_BHN, k_BHN, v_BHK, g_BHN, reset_B = now
    s_BHNK = jnp.where(reset_B[:, None, None, None], 0, s_BHNK)
    s_BHNK = jnp.exp(g_BHN)[..., None] * s_BHNK + jnp.einsum("bhn,bhk->bhnk", k_BHN, v_BHK)
    return s_BHNK, jnp.einsum("bhn,bhnk->bhk", q_BHN, s_BHNK)

  every = (*v_BHTK.shape[:3], k_BHTN.shape[3])
  q_BHTN, k_BHTN = (jnp.broadcast_to(x, every) for x in (q_BHTN, k_BHTN))
  each = [jnp.moveaxis(x.astype(dtype), 2, 0) for x in (q_BHTN, k_BHTN, v_BHTK, g_BHTN)]
  s_BHNK, y_TBHK = lax.scan(step, s_BHNK.astype(dtype), (*each, reset_BT.T))
  return jnp.moveaxis(y_TBHK, 0, 2).astype(v_BHTK.dtype), s_BHNK


def linear_attention(
  q_BHTN, k_BHTN, v_BHTK, g_BHTN, reset_BT, s_BHNK, chunk: int = 0, *, axis=None
):
  """q_BHTN, k_BHTN: [B, H or 1, T, N]; v_BHTK: [B, H, T, K]; g_BHTN: logarithms of decays, none
  above 0, [B, H, T, 1 or N]; reset_BT: bool; s_BHNK: the state before.

  Returns (y_BHTK in v's dtype, s_BHNK): every output, and the last state in float32 at least. Where
  reset_BT is true the state is zero before that step. chunk: steps of a chunk; 0 chooses. axis: of
  the mesh that is set, where time lies along it and is divided by it.
  """
  length, channels = v_BHTK.shape[2], g_BHTN.shape[-1] > 1
  if backend() == "reference" or length == 1:
    return linear_attention_naive(q_BHTN, k_BHTN, v_BHTK, g_BHTN, reset_BT, s_BHNK)
  parts = parts_along(axis)
  size = min(chunk or (CHANNEL_CHUNK if channels else CHUNK), length // parts)
  dtype = wide(v_BHTK.dtype)
  decays = Decays.of(jnp.maximum(g_BHTN.astype(dtype), ALL), reset_BT, size, parts)
  q, k, v = (in_chunks(x, size, parts=parts) for x in (q_BHTN, k_BHTN, v_BHTK))
  if channels:
    # a sum that XLA makes without ever holding what it sums
    pairs = q[..., :, None, :].astype(dtype) * k[..., None, :, :].astype(dtype)
    scores = jnp.sum(pairs * decays.between(), -1)
  else:
    scores = matmul(q, jnp.swapaxes(k, 3, 4)) * decays.between()[..., 0]
  added = matmul(jnp.swapaxes((k * decays.to_end()).astype(v.dtype), 3, 4), v)
  s_BHNK, before = _carried(decays.whole(), added, s_BHNK.astype(dtype), axis)
  y = matmul(scores.astype(v.dtype), v)
  y += matmul((q * decays.from_start()).astype(v.dtype), before.astype(v.dtype))
  return out_of_chunks(y.astype(v.dtype), length, parts), s_BHNK


def _carried(whole_BHCN, added_BHCNK, s_BHNK, axis):
  """S_c = whole_c * S_{c-1} + added_c: (the last state, the state before each chunk)."""

  def step(s_BHNK, now):
    whole_BHN, added_BHNK = now
    return whole_BHN[..., None] * s_BHNK + added_BHNK, s_BHNK

  def told(each):
    s_BHNK, _ = over_chunks(step, jnp.zeros_like(each[1][:, :, 0]), each)
    return jnp.prod(each[0], 2), s_BHNK

  each = whole_BHCN, added_BHCNK
  return over_chunks(step, s_BHNK, each, axis, told, lambda s_BHNK, part: step(s_BHNK, part)[0])
