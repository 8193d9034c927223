"""Beam search in one jitted program: the likeliest texts that a network can write.

Every row keeps its `beams` likeliest beginnings; those that end are kept apart with their scores,
and a row stops when no beginning can overtake them. What a beginning has read moves with it: the
letter B in the name of each leaf of the state says along which axis.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.leaves import path_of
from seqlab.models.network import Network
from seqlab.ops.categorical import possible


@dataclasses.dataclass(frozen=True, eq=False)
class Beam:
  """beams: beginnings kept of each row; 1 with penalty 0 takes the likeliest token each time.
  penalty: scores are divided by ((5 + tokens) / 6) ** penalty (arXiv:1609.08144, equation 14), the
    more of it the longer the texts.
  ids, silent: how many of the head's ids may be written, and which among them may not.
  """

  network: Network
  eot: int
  ids: int
  silent: Sequence[int] = ()
  beams: int = 4
  penalty: float = 0.6

  @functools.partial(jax.jit, static_argnums=0)
  def __call__(
    self, params: dict, forced_BT: jax.Array, source: tuple | None = None
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The `beams` best texts of each row: ids int32 [B, K, T], each text filled up with
    end-of-text, their lengths [B, K] and their scores [B, K], best first.

    forced_BT: at most T tokens are written; where it is not negative, this one and no other.
    source: ids, positions and numbers (0 inside) of what is to be written from, int [B, S], which
      ends in the last column; as in `EncoderDecoder`.
    """
    (rows, most), beams = forced_BT.shape, self.beams
    first_BT, pos_BT, *more = self._beginning(rows, source)
    params = self.network.unrolled(params)
    state = self.network.unrolled(self.network.init_state(rows, first_BT.shape[1] + most))
    x_BTD, state = self.network(params, first_BT, pos_BT, state, *more)
    logits_BV = self.network(params, x_BTD[:, -1:], method="logits")[:, 0]
    empty = -jnp.inf * jnp.ones((rows, beams))
    carry = dict(
      time=jnp.int32(0),
      pos_B=jnp.repeat(pos_BT[:, -1], beams),  # of the token read last
      state=_rows(state, lambda x, axis: jnp.repeat(x, beams, axis)),
      logits_BKV=jnp.repeat(logits_BV[:, None], beams, 1),
      score_BK=empty.at[:, 0].set(0.0),  # one beginning: they must differ
      tokens_BKT=jnp.full((rows, beams, most), self.eot, jnp.int32),
      ended_BK=empty,
      ended_BKT=jnp.full((rows, beams, most), self.eot, jnp.int32),
      length_BK=jnp.zeros((rows, beams), jnp.int32),
    )
    step = functools.partial(self._step, params, forced_BT)
    carry = jax.lax.while_loop(functools.partial(self._goes_on, most), step, carry)
    # Beginnings that never ended stand with those that did.
    score_BK = carry["score_BK"] / self._divisor(most)
    score_BK = jnp.where(carry["time"] >= most, score_BK, -jnp.inf)
    ends = (carry["ended_BK"], carry["ended_BKT"], carry["length_BK"])
    unended = (score_BK, carry["tokens_BKT"], jnp.full_like(carry["length_BK"], most))
    score_BK, tokens_BKT, length_BK = _best(beams, ends, unended)
    return tokens_BKT, length_BK, score_BK

  def _beginning(self, rows: int, source: tuple | None) -> tuple:
    """The inputs of the first call: end-of-text, behind the source where a decoder reads it."""
    first_B1, zero_B1 = (jnp.full((rows, 1), i, jnp.int32) for i in (self.eot, 0))
    if source is None:
      return first_B1, zero_B1
    if not self.network.reads_prefix:
      return first_B1, zero_B1, zero_B1, source
    source_BS, pos_BS, number_BS = source
    pos_BS = jnp.concatenate([pos_BS, pos_BS[:, -1:] + 1], 1)
    prefix_BS = jnp.concatenate([number_BS == 0, zero_B1 > 0], 1)
    return jnp.concatenate([source_BS, first_B1], 1), pos_BS, prefix_BS

  def _divisor(self, length: Any) -> Any:
    return ((5.0 + length) / 6.0) ** self.penalty

  def _goes_on(self, most: int, carry: dict) -> jax.Array:
    """Whether a beginning, were all its further tokens certain, could still beat the worst text."""
    hope_B = carry["score_BK"][:, 0] / self._divisor(most)
    return (carry["time"] < most) & jnp.any(hope_B > carry["ended_BK"].min(1))

  def _step(self, params: dict, forced_BT: jax.Array, carry: dict) -> dict:
    rows, beams, vocab = carry["logits_BKV"].shape
    time, id_V = carry["time"], jnp.arange(vocab)
    logp_BKV = jax.nn.log_softmax(possible(carry["logits_BKV"], self.ids, self.silent))
    forced_B = jax.lax.dynamic_index_in_dim(forced_BT, time, 1, keepdims=False)
    given_B11 = (forced_B >= 0)[:, None, None]
    only_BKV = jnp.where(id_V == forced_B[:, None, None], 0.0, -jnp.inf)
    logp_BKV = jnp.where(given_B11, only_BKV, logp_BKV)

    # Twice as many as are kept, for half of them may end.
    all_BN = (carry["score_BK"][:, :, None] + logp_BKV).reshape(rows, -1)
    score_BN, index_BN = jax.lax.top_k(all_BN, min(2 * beams, beams * vocab))
    parent_BN, token_BN = index_BN // vocab, (index_BN % vocab).astype(jnp.int32)
    tokens_BNT = jnp.take_along_axis(carry["tokens_BKT"], parent_BN[..., None], 1)
    tokens_BNT = tokens_BNT.at[:, :, time].set(token_BN)
    ends_BN = (token_BN == self.eot) & (forced_B < 0)[:, None]

    # An end that comes after all that are kept is no text of this beam: with one beam it would end
    # where another token is likelier.
    kept_BN = ends_BN & (jnp.arange(score_BN.shape[1]) < beams)
    ended_BN = jnp.where(kept_BN, score_BN / self._divisor(time + 1), -jnp.inf)
    length_BN = jnp.full(ended_BN.shape, time)
    ends = (carry["ended_BK"], carry["ended_BKT"], carry["length_BK"])
    ended_BK, ended_BKT, length_BK = _best(beams, ends, (ended_BN, tokens_BNT, length_BN))
    alive_BN = jnp.where(ends_BN, -jnp.inf, score_BN)
    score_BK, tokens_BKT, parent_BK = _best(beams, (alive_BN, tokens_BNT, parent_BN))

    row_N = (jnp.arange(rows)[:, None] * beams + parent_BK).reshape(-1)
    state = _rows(carry["state"], lambda x, axis: jnp.take(x, row_N, axis), moving=True)
    token_NT = jax.lax.dynamic_index_in_dim(tokens_BKT, time, 2).reshape(-1, 1)
    pos_NT = (carry["pos_B"] + time + 1)[:, None]
    x_NTD, state = self.network(params, token_NT, pos_NT, state)
    logits_BKV = self.network(params, x_NTD, method="logits").reshape(rows, beams, vocab)
    return dict(
      time=time + 1,
      pos_B=carry["pos_B"],
      state=state,
      logits_BKV=logits_BKV,
      score_BK=score_BK,
      tokens_BKT=tokens_BKT,
      ended_BK=ended_BK,
      ended_BKT=ended_BKT,
      length_BK=length_BK,
    )


def _best(count: int, *groups: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
  """The `count` entries of highest score, each group being (scores, and what goes with them)."""
  score_BN, *others = (jnp.concatenate(parts, 1) for parts in zip(*groups, strict=True))
  score_BK, at_BK = jax.lax.top_k(score_BN, count)
  picked = (
    jnp.take_along_axis(x, at_BK.reshape(at_BK.shape + (1,) * (x.ndim - 2)), 1) for x in others
  )
  return score_BK, *picked


def _rows(state: Any, change: Any, moving: bool = False) -> Any:
  """The state with the rows of its leaves changed; with `moving`, not of what all beginnings of a
  row share: the memory that cross-attention reads.
  """

  def leaf(path: tuple, x: jax.Array) -> jax.Array:
    name = path_of(path)
    letters = axes.letters(name.rpartition("/")[2])
    if "B" not in letters or (moving and "/cross/" in name):
      return x
    return change(x, letters.index("B"))

  return jax.tree_util.tree_map_with_path(leaf, state)
