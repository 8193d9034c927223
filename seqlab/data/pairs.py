"""Rows for sequence to sequence: sources, and the texts that are to be written from them."""

from typing import ClassVar

import numpy as np

from seqlab.data.packing import plan
from seqlab.data.store import Tokens
from seqlab.errors import UserError

Batch = dict[str, np.ndarray]


class Pairs:
  """Row i holds as many pairs as the best-fit plan puts into it, both sides in the same order.

  A source is its end-of-text and its tokens; a target begins with end-of-text, and its labels end
  with it. `pair_BT` and `source_pair_BS` number the pairs of a row, padding is -1 in the one and
  -2 in the other, so that equal numbers are what may be seen.

  Raises:
    UserError: the store holds no pairs, or a side is longer than a row.
  """

  names: ClassVar[tuple[str, ...]] = (
    *("source_BS", "source_pos_BS", "source_pair_BS"),
    *("tokens_BT", "pos_BT", "pair_BT", "labels_BT", "weight_BT"),
  )

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad = tokens, length, pad
    if not tokens.pairs:
      raise UserError(
        "config.data.source: sequence_to_sequence() needs pairs; use parallel(path=…, source=…), "
        "or name the column of the other side with source='…'"
      )
    self._size = np.diff(tokens.documents).reshape(-1, 2)
    longest = int(self._size.max(initial=0))
    if longest > length:
      raise UserError(
        f"config.length={length}: the longest side of a pair has {longest} tokens with its "
        f"end-of-text; give length={longest} or more, or take the pair out"
      )
    self._first, self._pairs = self._plan(seed)
    self.count = self.evaluation_count = len(self._first) - 1

  def _plan(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return plan(self._size.max(1), self.length, seed)

  def _source_start(self, pair: int) -> int:
    """The column in which the first source of a row begins."""
    return 0

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Rows `index_B` of the plan; an index beyond the last row is padding with weight 0."""
    shape = (len(index_B), self.length)
    batch = {name: np.zeros(shape, np.int32) for name in self.names}
    for name in ("source_BS", "tokens_BT", "labels_BT"):
      batch[name].fill(self._pad)
    batch["pair_BT"].fill(-1)
    batch["source_pair_BS"].fill(-2)
    batch["weight_BT"] = np.zeros(shape, np.float32)
    ramp = np.arange(self.length, dtype=np.int32)
    buffer = np.empty(self.length + 1, self.tokens.dtype)
    for row, index in enumerate(index_B.tolist()):
      if index >= self.count:
        continue
      pairs_here = self._pairs[self._first[index] : self._first[index + 1]]
      at = [self._source_start(pairs_here[0]), 0]
      for number, pair in enumerate(pairs_here):
        for side, (tokens, pos, pairs) in enumerate((self.names[:3], self.names[3:6])):
          size = int(self._size[pair, side])
          here = slice(at[side], at[side] + size)
          self.tokens.read(int(self.tokens.documents[2 * pair + side]), buffer[: size + 1])
          batch[tokens][row, here] = buffer[:size]
          batch[pos][row, here] = ramp[:size]
          batch[pairs][row, here] = number
          at[side] += size
        batch["labels_BT"][row, here] = buffer[1 : size + 1]
        batch["weight_BT"][row, here] = 1
    return batch


class OnePair(Pairs):
  """Row i is pair i, its source at the end of the row, so that the state after the last column is
  the state after the source: for networks that hand it over.
  """

  def _plan(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(self._size) + 1), np.arange(len(self._size))

  def _source_start(self, pair: int) -> int:
    return self.length - int(self._size[pair, 0])
