"""Additive attention (Bahdanau 2014, arXiv:1409.0473, appendix A.1.2):

    score(t, s) = score . tanh(q_t + k_s)        weights over s: softmax where seen

Owes the rest memory of one block of queries at a time: the tanh of every query with every key would
be F times the scores.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide

_BLOCK = 16  # queries at once


def additive_attention_naive(q_BTF, k_BSF, v_BSF, score_F, seen_BTS):
  """As in the paper. A query that sees nothing gets zeros.

  q: [B, T, F], k and v: [B, S, F], score: [F], seen: bool [B, T, S] -> [B, T, F] in q's dtype.
  """
  p_BTS = additive_weights(q_BTF, k_BSF, score_F, seen_BTS).astype(q_BTF.dtype)
  return jnp.einsum("bts,bsf->btf", p_BTS, v_BSF)


def additive_weights(q_BTF, k_BSF, score_F, seen_BTS):
  """What each query gives each key, [B, T, S], float32 at least."""
  dtype = wide(q_BTF.dtype)
  inner_BTSF = jnp.tanh(q_BTF[:, :, None] + k_BSF[:, None])
  s_BTS = jnp.einsum("btsf,f->bts", inner_BTSF, score_F.astype(q_BTF.dtype)).astype(dtype)
  s_BTS = jnp.where(seen_BTS, s_BTS, jnp.finfo(dtype).min)
  # zero where nothing is seen: softmax alone would spread evenly
  return jnp.where(seen_BTS, jax.nn.softmax(s_BTS), 0)


def additive_attention(q_BTF, k_BSF, v_BSF, score_F, seen_BTS):
  """`additive_attention_naive` block by block, the tanh computed again in the backward pass."""
  length = q_BTF.shape[1]
  if backend() == "reference" or length <= _BLOCK:
    return additive_attention_naive(q_BTF, k_BSF, v_BSF, score_F, seen_BTS)
  rest = [(0, 0), (0, -length % _BLOCK), (0, 0)]  # queries that see nothing fill the last block
  q_BTF, seen_BTS = jnp.pad(q_BTF, rest), jnp.pad(seen_BTS, rest)

  def blocks(x):  # [B, T, ...] -> [T / block, B, block, ...]
    x = x.reshape(x.shape[0], -1, _BLOCK, *x.shape[2:])
    return jnp.swapaxes(x, 0, 1)

  @jax.checkpoint
  def one(q_BTF, seen_BTS):
    return additive_attention_naive(q_BTF, k_BSF, v_BSF, score_F, seen_BTS)

  y = lax.map(lambda block: one(*block), (blocks(q_BTF), blocks(seen_BTS)))
  return jnp.swapaxes(y, 0, 1).reshape(*q_BTF.shape[:2], -1)[:, :length]
