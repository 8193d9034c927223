"""The memory of attention: what was read, in slots, of which the newest takes the place of the
oldest where there is no room (a ring).

Owes the rest: `capacity` slots, or as many as a window sees; segments that tell documents apart,
whatever the cut of the sequence.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seqlab import axes
from seqlab.errors import UserError
from seqlab.ops.attention import EMPTY, attention
from seqlab.ops.attention_step import attention_step
from seqlab.ops.attention_weights import PLAIN, Mask, Scores
from seqlab.ops.backend import after
from seqlab.ops.ring_attention import ring_attention


def check_room(capacity: int) -> int:
  """The tokens that a cache is made for.

  Raises:
    UserError: there are none.
  """
  if capacity < 1:
    raise UserError(
      f"a cache for {capacity} tokens needs room for one at least "
      f"(language_model(carry=True, memory=…))"
    )
  return capacity


def empty(batch: int, capacity: int, window: int) -> dict:
  """What every cache holds beside its own arrays, with slots for `capacity` tokens, or for `window`
  where that is less and above 0: when the document of each slot began, and the tokens read so far.

  Raises:
    UserError: it would have no slot.
  """
  slots = min(check_room(capacity), window) if window else check_room(capacity)
  return dict(segment_BS=jnp.full((batch, slots), EMPTY, jnp.int32), time=jnp.zeros((), jnp.int32))


def slots(state: dict) -> int:
  return state["segment_BS"].shape[1]


def mask(
  pos_BT: jax.Array,
  state: dict | None,
  window: int,
  causal: bool = True,
  prefix_BT: jax.Array | None = None,
) -> Mask:
  """What the tokens see of each other, and before that of the slots of a state."""
  # Known when traced, so that the op leaves out what lies in the future.
  time_T: Any = np.arange(pos_BT.shape[1], dtype=np.int32)
  reach = window or None
  if state is None:
    segment_BT = time_T - pos_BT  # a document is told by when it began
    return Mask(segment_BT, segment_BT, time_T, time_T, reach, causal, prefix_BT)
  time, count = state["time"], slots(state)
  segment_BT = time + time_T - pos_BT
  # when each slot was written; empty ones get a negative time
  time_S = time - 1 - (time - 1 - jnp.arange(count, dtype=jnp.int32)) % count
  found = Mask(
    segment_BT,
    jnp.concatenate([state["segment_BS"], segment_BT], 1),
    time + time_T,
    jnp.concatenate([time_S, time + time_T]),
    reach,
  )
  if prefix_BT is not None:  # all that is in the cache was before
    found = found._replace(prefix_BS=jnp.pad(prefix_BT, ((0, 0), (count, 0))))
  return found


def attend_itself(
  q_BHTK: jax.Array,
  k_BHTK: jax.Array,
  v_BHTK: jax.Array,
  mask: Mask,
  scores: Scores = PLAIN,
  kept_BHTS: jax.Array | None = None,
) -> jax.Array:
  """Attention of a whole sequence; a ring where its time is shared out over devices. kept_BHTS: of
  dropout.
  """
  axis = axes.time_axis(mask.segment_BT)
  if axis is None:
    return attention(q_BHTK, k_BHTK, v_BHTK, mask, scores, kept_BHTS)
  return ring_attention(q_BHTK, k_BHTK, v_BHTK, mask, scores, kept_BHTS, axis=axis)


def attend(
  q_BHTK: jax.Array,
  k_BHTK: jax.Array,
  v_BHTK: jax.Array,
  k_BHSK: jax.Array,
  v_BHSK: jax.Array,
  mask: Mask,
  scores: Scores = PLAIN,
  kept_BHTS: jax.Array | None = None,
) -> jax.Array:
  """Attention of further tokens over the keys and values of a cache, and then over their own.
  kept_BHTS: of dropout.
  """
  k_BHSK, v_BHSK = k_BHSK.astype(q_BHTK.dtype), v_BHSK.astype(q_BHTK.dtype)
  if q_BHTK.shape[2] == 1 and kept_BHTS is None:
    mask = mask._replace(prefix_BS=None)  # a prefix of one token is itself
    return attention_step(q_BHTK, k_BHTK, v_BHTK, k_BHSK, v_BHSK, mask, scores)
  every_k, every_v = jnp.concatenate([k_BHSK, k_BHTK], 2), jnp.concatenate([v_BHSK, v_BHTK], 2)
  return attention(q_BHTK, every_k, every_v, mask, scores, kept_BHTS)


def kept(state: dict, new: dict, pos_BT: jax.Array, output: jax.Array) -> dict:
  """The state after arrays of further tokens, named and laid out as those that it holds. `output`
  is made of the state before: it says that a loop that decodes may write where it read, in place.
  """
  time, count, length = state["time"], slots(state), pos_BT.shape[1]
  new = {**new, "segment_BS": time + jnp.arange(length, dtype=jnp.int32) - pos_BT}
  stays = min(length, count)
  at_S = (time + jnp.arange(length - stays, length)) % count  # the slots that the newest fill
  at_S = after(at_S, output)
  ring = dict(time=time + length)
  for name, x in new.items():
    every = (slice(None),) * axes.letters(name).index("S")
    newest = x[*every, length - stays :].astype(state[name].dtype)
    ring[name] = state[name].at[*every, at_S].set(newest, unique_indices=True)
  return ring
