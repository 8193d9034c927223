"""Attention of one query over a cache, which is read where it lies."""

import jax
import jax.numpy as jnp

from seqlab.ops.attention import grouped, shaped
from seqlab.ops.attention_weights import PLAIN
from seqlab.ops.dense import product


def attention_step(q_BHTK, k_BHTK, v_BHTK, k_BHSK, v_BHSK, mask, scores=PLAIN):
  """One query a row (T = 1) over a cache and its own key: `attention` over both, joined, as
  the mask has them.

  The cache is read where it lies; to join it with the new key would copy it for every token.
  """
  dtype, slots = q_BHTK.dtype, k_BHSK.shape[2]
  q_BJGTK = grouped(q_BHTK, k_BHSK.shape[1])
  over_cache, over_own = (product(q_BJGTK, k, (4,), (3,), (0, 1), (0, 1)) for k in (k_BHSK, k_BHTK))
  s = jnp.concatenate([over_cache, over_own], 4)
  s = shaped(s, q_BHTK.shape[-1], mask, scores)
  p = jax.nn.softmax(s, -1, where=mask.seen()[:, None, None]).astype(dtype)
  y = product(p[..., :slots], v_BHSK, (4,), (2,), (0, 1), (0, 1))
  y += product(p[..., slots:], v_BHTK, (4,), (2,), (0, 1), (0, 1))
  return y.astype(dtype).reshape(*q_BHTK.shape[:3], -1)
