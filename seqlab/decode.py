"""Writing on: prompts in, tokens out, in one jitted loop that carries the mixers' state.

By the splitting law prefill and decoding are the call that trained the network. Prompts of
different lengths go in together, each ending in the last column: what stands before it are
documents of one token. A row's draws depend on its own key alone, not on the rows beside it.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.models.network import Network
from seqlab.ops.categorical import possible


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
    self._ids, self._silent = ids, silent
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
    longest = max(map(len, prompts))
    prompt_BT = np.full((len(prompts), longest), self._eot, np.int32)
    pos_BT = np.full(prompt_BT.shape, -1, np.int32)
    for row, ids in enumerate(prompts):
      prompt_BT[row, longest - len(ids) :] = ids
      pos_BT[row, longest - len(ids) :] = np.arange(len(ids))
    capacity = -(-(longest + tokens) // 128) * 128  # rounded, so that lengths share a program
    params = self._unrolled(params)
    carry = self._prefill(params, prompt_BT, pos_BT, seed, capacity, given)
    ended = np.zeros(len(prompts), bool)
    for start in range(0, tokens, self._chunk):
      carry, new_TB = self._loop(params, carry)
      new = []
      for row, ids in enumerate(np.asarray(new_TB).T[:, : tokens - start]):
        end = np.flatnonzero(ids == self._eot)
        new.append(ids[:0] if ended[row] else ids[: end[0]] if end.size else ids)
        ended[row] |= bool(end.size)
      yield new
      if ended.all():
        return

  @functools.partial(jax.jit, static_argnums=(0, 5))
  def _prefill(
    self,
    params: dict,
    prompt_BT: jax.Array,
    pos_BT: jax.Array,
    seed: jax.Array,
    capacity: int,
    given: tuple,
  ) -> dict:
    """pos_BT: -1 before a prompt."""
    rows = len(prompt_BT)
    more = (pos_BT >= 0,) if self._network.reads_prefix else given
    state = self._network.unrolled(self._network.init_state(rows, capacity))
    x_BTD, state = self._network(params, prompt_BT, jnp.maximum(pos_BT, 0), state, *more)
    logits_BV = self._network(params, x_BTD[:, -1:], method="logits")[:, 0]
    seen_BV = jnp.zeros(logits_BV.shape, bool).at[jnp.arange(rows)[:, None], prompt_BT].set(True)
    seen_BV &= (
      jnp.arange(logits_BV.shape[1]) != self._eot
    )  # a document begins with it; no repetition
    keys_B = jax.vmap(lambda row: jax.random.fold_in(jax.random.key(seed), row))(jnp.arange(rows))
    pos_B = pos_BT[:, -1] + 1
    return dict(state=state, logits_BV=logits_BV, seen_BV=seen_BV, keys_B=keys_B, pos_B=pos_B)

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
  def _loop(self, params: dict, carry: dict) -> tuple[dict, jax.Array]:
    """Draws `chunk` tokens a row; returns their ids [T, B]."""

    def one(carry: dict, _: None) -> tuple[dict, jax.Array]:
      logits_BV, seen_BV, pos_B = carry["logits_BV"], carry["seen_BV"], carry["pos_B"]
      keys_B = jax.vmap(jax.random.fold_in)(carry["keys_B"], pos_B)
      logits_BV = possible(logits_BV, self._ids, self._silent)
      token_B = choose(logits_BV, seen_BV, keys_B, self._draw)
      x_BTD, state = self._network(params, token_B[:, None], pos_B[:, None], carry["state"])
      logits_BV = self._network(params, x_BTD, method="logits")[:, 0]
      seen_BV = seen_BV.at[jnp.arange(len(token_B)), token_B].set(token_B != self._eot)
      now = dict(state=state, logits_BV=logits_BV, seen_BV=seen_BV, pos_B=pos_B + 1)
      return carry | now, token_B

    return jax.lax.scan(one, carry, length=self._chunk)
