"""What a query sees and how much of it: attention as in the paper (arXiv:1706.03762, equation 1),
which the fast form of `ops.attention` is held to.
"""

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.ops.backend import wide


def visible(segment_BT, segment_BS, time_T, time_S, window=None, causal=True, prefix_BS=None):
  """Which keys each query sees: bool [B, T, S]."""
  gap_TS = time_T[:, None] - time_S[None, :]
  seen_BTS = (gap_TS >= 0 if causal else np.ones(gap_TS.shape, bool))[None]
  if prefix_BS is not None:
    seen_BTS = seen_BTS | prefix_BS[:, None, :]
  if window is not None:
    seen_BTS = seen_BTS & (abs(gap_TS) < window)
  return (segment_BT[:, :, None] == segment_BS[:, None, :]) & seen_BTS


def attention_naive(
  q_BHTK,
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
  causal=True,
  prefix_BS=None,
):
  """softmax(q k^T * scale + mask) v, head by head, as in the paper."""
  where = dict(segment_BT=segment_BT, segment_BS=segment_BS, time_T=time_T, time_S=time_S)
  form = dict(window=window, softcap=softcap, slopes_H=slopes_H, scale=scale, causal=causal)
  form["prefix_BS"] = prefix_BS
  p_BHTS = attention_weights(q_BHTK, k_BHSK, **where, **form).astype(q_BHTK.dtype)
  v_BHSK = jnp.repeat(v_BHSK, q_BHTK.shape[1] // v_BHSK.shape[1], 1)
  y_BHTK = jnp.einsum("bhts,bhsk->bhtk", p_BHTS, v_BHSK, preferred_element_type=wide(p_BHTS.dtype))
  return y_BHTK.astype(q_BHTK.dtype)


def attention_weights(
  q_BHTK,
  k_BHSK,
  *,
  segment_BT,
  segment_BS,
  time_T,
  time_S,
  window=None,
  softcap=None,
  slopes_H=None,
  scale=None,
  causal=True,
  prefix_BS=None,
):
  """What each query gives each key, [B, H, T, S], float32 at least; a query's sum is 1, or 0 where
  it sees nothing.
  """
  dtype = wide(q_BHTK.dtype)
  k_BHSK = jnp.repeat(k_BHSK, q_BHTK.shape[1] // k_BHSK.shape[1], 1)
  scale = q_BHTK.shape[-1] ** -0.5 if scale is None else scale
  s_BHTS = jnp.einsum("bhtk,bhsk->bhts", q_BHTK, k_BHSK, preferred_element_type=dtype) * scale
  if softcap is not None:
    s_BHTS = softcap * jnp.tanh(s_BHTS / softcap)
  if slopes_H is not None:
    s_BHTS -= slopes_H[:, None, None] * abs(time_T[:, None] - time_S[None, :])
  where = (segment_BT, segment_BS, time_T, time_S, window, causal, prefix_BS)
  return jax.nn.softmax(s_BHTS, -1, where=visible(*where)[:, None])
