"""Writing on: prompts in, tokens out, in one jitted loop that carries the mixers' state.

By the splitting law prefill and decoding are the call that trained the network. Prompts of
different lengths go in together: what all of them have is read at once, and in the loop a row is
forced to its prompt until that ends. A row's draws depend on its own key alone, not on the rows
beside it.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.models.network import Network


@dataclasses.dataclass(frozen=True)
class Draw:
  """How a token is chosen from scores, in this order.

  repetition_penalty: scores of tokens seen are divided by it where positive, multiplied where
    negative (CTRL, arXiv:1909.05858, section 4.1). temperature: 0 takes the likeliest. top_k: 0 for
    all.
  top_p: the smallest set that holds this mass (arXiv:1904.09751). min_p: drops what is below this
    share of the likeliest (arXiv:2407.01082).
  """

  temperature: float = 1.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0
  repetition_penalty: float = 1.0


def choose(logits_BV: jax.Array, seen_BV: jax.Array, keys_B: jax.Array, draw: Draw) -> jax.Array:
  """One token id a row, int32 [B]; `seen_BV` says which ids the row holds already."""
  if draw.repetition_penalty != 1:
    penalty = draw.repetition_penalty
    penalised = jnp.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
    logits_BV = jnp.where(seen_BV, penalised, logits_BV)
  if draw.temperature == 0:
    return jnp.argmax(logits_BV, -1).astype(jnp.int32)
  logits_BV = logits_BV / draw.temperature
  if draw.top_k:
    least_B = jax.lax.top_k(logits_BV, min(draw.top_k, logits_BV.shape[-1]))[0][:, -1]
    logits_BV = jnp.where(logits_BV < least_B[:, None], -jnp.inf, logits_BV)
  if draw.top_p < 1:
    sorted_BV = -jnp.sort(-logits_BV, axis=-1)
    probability_BV = jax.nn.softmax(sorted_BV, -1)
    before_BV = jnp.cumsum(probability_BV, -1) - probability_BV  # mass of what is likelier
    least_B = jnp.min(jnp.where(before_BV < draw.top_p, sorted_BV, jnp.inf), -1)
    logits_BV = jnp.where(logits_BV < least_B[:, None], -jnp.inf, logits_BV)
  if draw.min_p:
    probability_BV = jax.nn.softmax(logits_BV, -1)
    enough_BV = probability_BV >= draw.min_p * probability_BV.max(-1, keepdims=True)
    logits_BV = jnp.where(enough_BV, logits_BV, -jnp.inf)
  return jax.vmap(jax.random.categorical)(keys_B, logits_BV).astype(jnp.int32)


class Decoding:
  """Compiled prefill and loop for one network and one way to draw; prompts of any length use it.

  ids: how many of the head's ids may be drawn (a padded vocabulary has more rows than tokens).
  silent: ids among them that may not.
  chunk: tokens a dispatch, after which the caller sees them.
  """

  def __init__(
    self,
    network: Network,
    draw: Draw,
    *,
    eot: int,
    ids: int,
    silent: Sequence[int] = (),
    chunk: int = 16,
  ):
    self._network, self._draw, self._eot, self._chunk = network, draw, eot, chunk
    self._ids, self._silent = ids, np.asarray(silent, int)
    self._unrolled = jax.jit(network.unrolled)

  def __call__(
    self,
    params: dict,
    prompts: list[np.ndarray],
    tokens: int,
    seed: int = 0,
    given: tuple[np.ndarray, ...] = (),
  ) -> Iterator[list[np.ndarray]]:
    """Yields, a dispatch at a time, the new ids of each row. A row ends with (and without showing)
    end-of-text.

    prompts: ids of each row, of at least one token each; the first is position 0 of a document.
    tokens: new ids of a row at most. given: what the network reads besides in its first call, and
      its state remembers.
    """
    lengths = np.array([len(p) for p in prompts])
    shared, longest = int(lengths.min()), int(lengths.max())
    prompt_BT = np.full((len(prompts), longest), self._eot, np.int32)
    for row_T, ids in zip(prompt_BT, prompts, strict=True):
      row_T[: len(ids)] = ids
    capacity = -(-(longest + tokens) // 128) * 128  # rounded, so that lengths share a program
    params = self._unrolled(params)
    carry = self._prefill(params, prompt_BT[:, :shared], seed, capacity, given)
    emitted = np.zeros(len(prompts), int)
    ended = np.zeros(len(prompts), bool)
    for start in range(shared, longest + tokens, self._chunk):
      times = start + np.arange(self._chunk)
      forced_TB = np.full((self._chunk, len(prompts)), -1, np.int32)
      inside_TB = times[:, None] < lengths
      columns = np.minimum(times, longest - 1)
      forced_TB[inside_TB] = prompt_BT.T[columns][inside_TB]
      carry, new_TB = self._loop(params, carry, forced_TB)
      new = []
      for row, ids in enumerate(np.asarray(new_TB).T):
        ids = ids[~inside_TB[:, row]][: tokens - emitted[row]]
        emitted[row] += len(ids)
        end = np.flatnonzero(ids == self._eot)
        new.append(ids[:0] if ended[row] else ids[: end[0]] if end.size else ids)
        ended[row] |= bool(end.size) or emitted[row] >= tokens
      yield new
      if ended.all():
        return

  @functools.partial(jax.jit, static_argnums=(0, 4))
  def _prefill(
    self, params: dict, prompt_BT: jax.Array, seed: jax.Array, capacity: int, given: tuple
  ) -> dict:
    rows, length = prompt_BT.shape
    pos_BT = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), prompt_BT.shape)
    state = self._network.unrolled(self._network.init_state(rows, capacity))
    x_BTD, state = self._network(params, prompt_BT, pos_BT, state, *given)
    logits_BV = self._network(params, x_BTD[:, -1:], method="logits")[:, 0]
    seen_BV = jnp.zeros(logits_BV.shape, bool).at[jnp.arange(rows)[:, None], prompt_BT].set(True)
    seen_BV &= (
      jnp.arange(logits_BV.shape[1]) != self._eot
    )  # a document begins with it; no repetition
    keys_B = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(seed), row))(jnp.arange(rows))
    return dict(
      state=state, logits_BV=logits_BV, seen_BV=seen_BV, keys_B=keys_B, time=jnp.int32(length)
    )

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
  def _loop(self, params: dict, carry: dict, forced_TB: jax.Array) -> tuple[dict, jax.Array]:
    """Takes a token a row for each row of `forced_TB` (-1 where it is free to draw); returns ids
    [T, B].
    """

    id_V = jnp.arange(carry["logits_BV"].shape[-1])
    possible_V = (id_V < self._ids) & ~jnp.isin(id_V, self._silent)

    def one(carry: dict, forced_B: jax.Array) -> tuple[dict, jax.Array]:
      logits_BV, seen_BV, time = carry["logits_BV"], carry["seen_BV"], carry["time"]
      keys_B = jax.vmap(jax.random.fold_in, (0, None))(carry["keys_B"], time)
      drawn_B = choose(jnp.where(possible_V, logits_BV, -jnp.inf), seen_BV, keys_B, self._draw)
      token_B = jnp.where(forced_B >= 0, forced_B, drawn_B)
      pos_BT = jnp.full((len(token_B), 1), time)
      x_BTD, state = self._network(params, token_B[:, None], pos_BT, carry["state"])
      logits_BV = self._network(params, x_BTD, method="logits")[:, 0]
      seen_BV = seen_BV.at[jnp.arange(len(token_B)), token_B].set(token_B != self._eot)
      return {
        **carry,
        "state": state,
        "logits_BV": logits_BV,
        "seen_BV": seen_BV,
        "time": time + 1,
      }, token_B

    return jax.lax.scan(one, carry, forced_TB)
