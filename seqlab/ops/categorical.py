"""Drawing ids from scores over a large vocabulary."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def possible(logits: jax.Array, ids: int, silent: Sequence[int]) -> jax.Array:
  """Scores [..., V], -inf for what may not be written: ids from `ids` on, and those of `silent`."""
  id_V = jnp.arange(logits.shape[-1])
  may_V = (id_V < ids) & ~jnp.isin(id_V, np.asarray(silent, int))
  return jnp.where(may_V, logits, -jnp.inf)


def categorical(key: jax.Array, logits_NV: jax.Array) -> jax.Array:
  """An id a row, int32 [N], with the probabilities of softmax(logits_NV).

  The inverse of the distribution function at one uniform number a row, first over blocks of ids and
  then within one; `jax.random.categorical` draws a number for every id, which takes longer than
  what gives the scores.
  """
  rows, vocab = logits_NV.shape
  width = max(1, round(vocab**0.5))
  p_NV = jnp.exp(logits_NV - jnp.max(logits_NV, 1, keepdims=True))
  p_NV = jnp.pad(p_NV, ((0, 0), (0, -vocab % width)))
  p_NSV = p_NV.reshape(rows, -1, width)
  below_NS = jnp.cumsum(p_NSV.sum(2), 1)
  at_N = jax.random.uniform(key, (rows,)) * below_NS[:, -1]
  block_N = jnp.sum(below_NS <= at_N[:, None], 1)
  block_N = jnp.minimum(block_N, below_NS.shape[1] - 1)  # where rounding has left nothing
  before_N = jnp.take_along_axis(jnp.pad(below_NS, ((0, 0), (1, 0))), block_N[:, None], 1)
  here_NV = jnp.take_along_axis(p_NSV, block_N[:, None, None], 1)[:, 0]
  inside_N = jnp.sum(before_N + jnp.cumsum(here_NV, 1) <= at_N[:, None], 1)
  # Rounding must not lead beyond the last id of the block that can be drawn.
  last_N = width - 1 - jnp.argmax(here_NV[:, ::-1] > 0, 1)
  return (block_N * width + jnp.minimum(inside_N, last_N)).astype(jnp.int32)
