"""What a query sees and how much of it: attention as in the paper (arXiv:1706.03762, equation 1),
which the fast form of `ops.attention` is held to.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.ops.backend import wide

Numbers = jax.Array | np.ndarray


class Mask(NamedTuple):
  """Which keys each query sees: those of its own segment that are not later than it (where
  `causal`) or of a prefix, and, with a window, fewer than `window` steps away.

  segment_BT, segment_BS: int [B, T] and [B, S]. time_T, time_S: int [T] and [S], stream times, the
  same for all rows. prefix_BS: bool [B, S], keys that all queries of their segment see, earlier
  ones too.
  """

  segment_BT: Numbers
  segment_BS: Numbers
  time_T: Numbers
  time_S: Numbers
  window: int | None = None
  causal: bool = True
  prefix_BS: jax.Array | None = None

  def seen(self) -> jax.Array:
    """Bool [B, T, S]."""
    gap_TS: Any = self.time_T[:, None] - self.time_S[None, :]
    seen_BTS = (gap_TS >= 0 if self.causal else np.ones(gap_TS.shape, bool))[None]
    if self.prefix_BS is not None:
      seen_BTS = seen_BTS | self.prefix_BS[:, None, :]
    if self.window is not None:
      seen_BTS = seen_BTS & (abs(gap_TS) < self.window)
    return (self.segment_BT[:, :, None] == self.segment_BS[:, None, :]) & seen_BTS


class Scores(NamedTuple):
  """What becomes of q k^T before the softmax: times `scale` (K^-0.5 where None), under a soft-cap
  (cap * tanh(score / cap)), then ALiBi (bias -slope * time difference, a slope for each head).
  """

  scale: float | None = None
  softcap: float | None = None
  slopes_H: jax.Array | None = None


PLAIN = Scores()


def attention_naive(q_BHTK, k_BHSK, v_BHSK, mask, scores=PLAIN, kept_BHTS=None):
  """softmax(q k^T * scale + mask) v, head by head, as in the paper."""
  p_BHTS = attention_weights(q_BHTK, k_BHSK, mask, scores)
  p_BHTS = (p_BHTS if kept_BHTS is None else p_BHTS * kept_BHTS).astype(q_BHTK.dtype)
  v_BHSK = jnp.repeat(v_BHSK, q_BHTK.shape[1] // v_BHSK.shape[1], 1)
  y_BHTK = jnp.einsum("bhts,bhsk->bhtk", p_BHTS, v_BHSK, preferred_element_type=wide(p_BHTS.dtype))
  return y_BHTK.astype(q_BHTK.dtype)


def attention_weights(q_BHTK, k_BHSK, mask, scores=PLAIN):
  """What each query gives each key, [B, H, T, S], float32 at least; a query's sum is 1, or 0 where
  it sees nothing.
  """
  dtype, (scale, softcap, slopes_H) = wide(q_BHTK.dtype), scores
  k_BHSK = jnp.repeat(k_BHSK, q_BHTK.shape[1] // k_BHSK.shape[1], 1)
  scale = q_BHTK.shape[-1] ** -0.5 if scale is None else scale
  s_BHTS = jnp.einsum("bhtk,bhsk->bhts", q_BHTK, k_BHSK, preferred_element_type=dtype) * scale
  if softcap is not None:
    s_BHTS = softcap * jnp.tanh(s_BHTS / softcap)
  if slopes_H is not None:
    s_BHTS -= slopes_H[:, None, None] * abs(mask.time_T[:, None] - mask.time_S[None, :])
  return jax.nn.softmax(s_BHTS, -1, where=mask.seen()[:, None])
