"""Attention of one query over a cache, which is read where it lies."""

import jax
import jax.numpy as jnp

from seqlab.ops.attention import visible
from seqlab.ops.dense import product


def attention_step(
  q_BHTK,
  k_BHTK,
  v_BHTK,
  k_BHSK,
  v_BHSK,
  *,
  segment_BT,
  segment_BS,
  time_T,
  time_S,
  window=None,
  softcap=None,
  slopes_H=None,
  scale=None,
):
  """One query a row (T = 1) over a cache and its own key: `attention` over both, joined.

  The cache is read where it lies; to join it with the new key would copy it for every token.
  """
  batch, heads, _, width = q_BHTK.shape
  kv_heads = k_BHSK.shape[1]
  q_BJGK = q_BHTK.reshape(batch, kv_heads, heads // kv_heads, width)
  over_cache = product(q_BJGK, k_BHSK, (3,), (3,), (0, 1), (0, 1))
  over_own = product(q_BJGK, k_BHTK, (3,), (3,), (0, 1), (0, 1))
  s = jnp.concatenate([over_cache, over_own], 3) * (width**-0.5 if scale is None else scale)
  if softcap is not None:
    s = softcap * jnp.tanh(s / softcap)
  if slopes_H is not None:
    gap_S = (time_T - jnp.concatenate([time_S, time_T])).astype(s.dtype)
    s -= slopes_H.reshape(kv_heads, -1)[:, :, None].astype(s.dtype) * gap_S
  segment_BS = jnp.concatenate([segment_BS, segment_BT], 1)
  time_S = jnp.concatenate([time_S, time_T])
  mask = visible(segment_BT, segment_BS, time_T, time_S, window)[:, None]
  p = jax.nn.softmax(s, -1, where=mask).astype(q_BHTK.dtype)
  slots = k_BHSK.shape[2]
  y = product(p[..., :slots], v_BHSK, (3,), (2,), (0, 1), (0, 1))
  y += product(p[..., slots:], v_BHTK, (3,), (2,), (0, 1), (0, 1))
  return y.astype(q_BHTK.dtype).reshape(q_BHTK.shape)
