"""A loop that keeps little for its gradient: for recurrences whose state is larger than their
outputs.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend

CHUNK = 64


def remembering(step: Callable, first: Any, each: Any, chunk: int = CHUNK) -> tuple[Any, Any]:
  """`lax.scan(step, first, each)` that keeps for its gradient the state before every chunk alone,
  and computes those between anew.
  """
  length = len(jax.tree.leaves(each)[0])
  if backend() == "reference" or length <= chunk:
    return lax.scan(step, first, each)

  def together(state, now):
    return lax.scan(step, state, now)

  whole = length // chunk * chunk
  head, tail = (
    jax.tree.map(lambda x, cut=cut: x[cut], each) for cut in (slice(whole), slice(whole, None))
  )
  chunks = jax.tree.map(lambda x: x.reshape(-1, chunk, *x.shape[1:]), head)
  state, made = lax.scan(jax.checkpoint(together, prevent_cse=False), first, chunks)
  made = jax.tree.map(lambda x: x.reshape(whole, *x.shape[2:]), made)
  if whole < length:
    state, rest = lax.scan(step, state, tail)
    made = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), made, rest)
  return state, made
