"""Windows of `length` tokens over a stream of documents, for language modelling.

The stream closes with the end-of-text that the first document begins with, so it is read as a ring
of `count - 1` tokens: a window that reaches the end goes on with the first document. `pos_BT` is 0
where a document starts, so attention and recurrent state never cross from one document into the
next.
"""

import numpy as np

from seqlab.data.permutation import draw
from seqlab.data.store import Tokens

Batch = dict[str, np.ndarray]


class Windows:
  """Rows of a stream, each computed from its index alone. `count` rows make an epoch."""

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad, self._seed = tokens, length, pad, seed
    self.ring = tokens.count - 1
    self.count = self.ring // length
    self.evaluation_count = -(-self.ring // length)

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("tokens_BT", "labels_BT", "pos_BT", "weight_BT"), (length,))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    """Windows `index_B` of an epoch. Each epoch cuts the ring at another offset, so no cut is
    privileged.
    """
    return self._batch(index_B * self.length + draw(self.ring, self._seed, epoch, "offset"))

  def lane(self, lane: int | np.ndarray, lanes: int, step: int) -> Batch:
    """Window `step` of each lane: lanes start evenly around the ring and walk it without end.

    `pos_BT` counts from the document's start, or from the lane's where the lane starts inside a
    document: what a state carried from window to window has seen.
    """
    first_B = np.asarray(lane, np.int64) * self.ring // lanes
    return self._batch(first_B + step * self.length, first_B)

  def evaluate(self, index_B: np.ndarray, first_B: np.ndarray | None = None) -> Batch:
    """Windows `index_B` of the stream from its start; what lies beyond its end is padding of weight
    0.

    `first_B` is the window at which each row's carried state began, or None without carried state.
    """
    start_B = index_B * self.length
    batch = self._batch(start_B, None if first_B is None else first_B * self.length)
    beyond_BT = start_B[:, None] + np.arange(self.length) >= self.ring
    if beyond_BT.any():
      batch["tokens_BT"][beyond_BT] = self._pad
      batch["labels_BT"][beyond_BT] = self._pad
      batch["pos_BT"][beyond_BT] = 0
      batch["weight_BT"][beyond_BT] = 0
    return batch

  def _batch(self, start_B: np.ndarray, first_B: np.ndarray | None = None) -> Batch:
    """Windows at unbounded positions `start_B` of the endless stream that the ring unrolls to."""
    raw = np.empty((len(start_B), self.length + 1), self.tokens.dtype)
    for row, start in zip(raw, (start_B % self.ring).tolist(), strict=True):
      head = min(
        self.length + 1, self.ring + 1 - start
      )  # the closing token ends the ring as its label
      self.tokens.read(start, row[:head])
      while head < len(row):  # on from the first document, whose end-of-text was just read
        more = min(len(row) - head, self.ring)
        self.tokens.read(1, row[head : head + more])
        head += more
    return {
      "tokens_BT": raw[:, :-1].astype(np.int32),
      "pos_BT": self._positions(start_B, start_B if first_B is None else first_B),
      "labels_BT": raw[:, 1:].astype(np.int32),
      "weight_BT": np.ones((len(start_B), self.length), np.float32),
    }

  def _positions(self, start_B: np.ndarray, first_B: np.ndarray) -> np.ndarray:
    """Counts from the last document start at or before each token, at most back to `first_B`."""
    turn_B, at_B = np.divmod(start_B, self.ring)
    starts = self.tokens.documents[:-1]
    documents = len(starts)
    current_B = (
      np.searchsorted(starts, at_B, "right") - 1
    )  # the document that each window begins in
    end_B = at_B + self.length
    laps_B, rest_B = np.divmod(end_B, self.ring)
    inside_B = laps_B * documents + np.searchsorted(starts, rest_B, "left") - current_B - 1
    row = np.repeat(np.arange(len(start_B)), inside_B)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(inside_B) - inside_B, inside_B)
    lap, document = np.divmod(current_B[row] + 1 + nth, documents)
    column = starts[document] + lap * self.ring - at_B[row]

    shape = (len(start_B), self.length)
    since_BT = np.full(shape, np.iinfo(np.int32).min, np.int32)  # the last start, relative to row
    since_BT[:, 0] = np.maximum(starts[current_B] + turn_B * self.ring, first_B) - start_B
    since_BT[row, column] = column
    return np.arange(self.length, dtype=np.int32) - np.maximum.accumulate(since_BT, axis=1)
