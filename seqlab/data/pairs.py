"""Rows for sequence to sequence: sources, and the texts that are to be written from them."""

import abc

import numpy as np

from seqlab.data.packing import plan
from seqlab.data.store import Tokens
from seqlab.errors import UserError

Batch = dict[str, np.ndarray]
LAYOUTS = ("apart", "alone", "joined")

# Of a batch: ids, positions and numbers of the pairs, of sources and of targets.
_SOURCE = ("source_BS", "source_pos_BS", "source_pair_BS")
_TARGET = ("tokens_BT", "pos_BT", "pair_BT")
_JOINED = ("tokens_BT", "pos_BT", "prefix_BT")
_TOLD = ("labels_BT", "weight_BT")


class PairRows(abc.ABC):
  """Row i holds as many pairs as the best-fit plan puts into it, both sides in the same order.

  A source is its end-of-text and its tokens; a target begins with end-of-text, and its labels end
  with it. layout: "apart" has sources and targets in arrays of their own; `pair_BT` and
  `source_pair_BS` number the pairs of a row, padding is -1 in the one and -2 in the other, so that
  equal numbers are what may be seen. "alone" is that with one pair a row, its source at the end, so
  that the state after the last column is the state after the source. "joined" has each source in
  front of its target, as one text whose `prefix_BT` is 1 on the source.
  """

  def __init__(
    self,
    tokens: Tokens,
    length: int,
    pad: int,
    seed: int,
    size_P2: np.ndarray,
    layout: str,
    told: int = 0,
  ):
    """size_P2: tokens of both sides of each pair, each with one end-of-text. told: columns that a
    target has, 0 for `length`.
    """
    self.tokens, self.length, self._pad = tokens, length, pad
    self._layout, self._told = layout, told or length
    whole = size_P2.sum(1)
    if layout != "joined":  # what fits into the columns of one side fits into those of the other
      whole = np.maximum(size_P2[:, 0], -(-size_P2[:, 1] * length // self._told))
    if layout == "alone":
      self._first, self._pairs = np.arange(len(whole) + 1), np.arange(len(whole))
    else:
      self._first, self._pairs = plan(whole, length, seed)
    self.count = self.evaluation_count = len(self._first) - 1

  @abc.abstractmethod
  def sides(self, pair: int, epoch: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of a pair, of the sizes planned, the target with one more end-of-text behind it;
    in evaluation there is no epoch.
    """

  @staticmethod
  def shapes(length: int, layout: str = "apart", told: int = 0) -> dict[str, tuple[int, ...]]:
    """The arrays of a row."""
    wide, told_wide = (length,), (told or length,)
    if layout == "joined":
      return {name: wide for name in (*_JOINED, *_TOLD)}
    return {name: wide if name in _SOURCE else told_wide for name in (*_SOURCE, *_TARGET, *_TOLD)}

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self._rows(index_B, epoch)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Rows `index_B` of the plan; an index beyond the last row is padding with weight 0."""
    return self._rows(index_B, None)

  def _rows(self, index_B: np.ndarray, epoch: int | None) -> Batch:
    shapes = PairRows.shapes(self.length, self._layout, self._told)
    fill = dict(source_BS=self._pad, tokens_BT=self._pad, labels_BT=self._pad)
    fill |= dict(pair_BT=-1, source_pair_BS=-2)
    batch = {
      name: np.full((len(index_B), *shape), fill.get(name, 0), np.int32)
      for name, shape in shapes.items()
    }
    batch["weight_BT"] = batch["weight_BT"].astype(np.float32)
    put = self._put_joined if self._layout == "joined" else self._put_apart
    for row, index in enumerate(index_B.tolist()):
      if index < self.count:
        pairs = self._pairs[self._first[index] : self._first[index + 1]].tolist()
        put({name: x[row] for name, x in batch.items()}, [self.sides(p, epoch) for p in pairs])
    return batch

  def _put_apart(self, row: Batch, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    start = self.length - len(pairs[0][0]) if self._layout == "alone" else 0
    at = [start, 0]
    for number, (source, target) in enumerate(pairs):
      for side, (names, ids) in enumerate(((_SOURCE, source), (_TARGET, target[:-1]))):
        here = slice(at[side], at[side] + len(ids))
        for name, values in zip(names, (ids, np.arange(len(ids)), number), strict=True):
          row[name][here] = values
        at[side] += len(ids)
      row["labels_BT"][here], row["weight_BT"][here] = target[1:], 1

  def _put_joined(self, row: Batch, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    at = 0
    for source, target in pairs:
      begins, ends = at + len(source), at + len(source) + len(target) - 1
      row["tokens_BT"][at:ends] = np.concatenate([source, target[:-1]])
      row["pos_BT"][at:ends] = np.arange(ends - at)
      row["prefix_BT"][at:begins] = 1
      row["labels_BT"][begins:ends], row["weight_BT"][begins:ends] = target[1:], 1
      at = ends


class Pairs(PairRows):
  """The pairs of a store: a source and, behind it, its target.

  Raises:
    UserError: the store holds no pairs, or one that is longer than a row.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int, layout: str = "apart"):
    if not tokens.pairs:
      raise UserError(
        "config.objective: it needs pairs of texts; use parallel(path=…, source=…) as source, "
        "or name the column of the other side with source='…'"
      )
    size = np.diff(tokens.documents).reshape(-1, 2)
    joined = layout == "joined"
    longest = int((size.sum(1) if joined else size).max(initial=0))
    if longest > length:
      what = "both sides of the longest pair have" if joined else "the longest side of a pair has"
      raise UserError(
        f"config.length={length}: {what} {longest} tokens with {'their' if joined else 'its'} "
        f"end-of-text; give length={longest} or more, or take the pair out"
      )
    super().__init__(tokens, length, pad, seed, size, layout)

  def sides(self, pair: int, epoch: int | None) -> tuple[np.ndarray, np.ndarray]:
    start, middle, end = self.tokens.documents[2 * pair : 2 * pair + 3].tolist()
    ids = np.empty(end - start + 1, self.tokens.dtype)
    self.tokens.read(start, ids)
    return ids[: middle - start], ids[middle - start :]
