"""Best-fit packing: rows of whole documents, for examples that must not be cut where it can be
helped.

The plan is a pure function of the documents' lengths and the seed, so row i of an epoch is known
without a pass over the data. Documents longer than a row are cut into full rows first (Ding et al.
2024, arXiv:2404.10830): nothing is dropped, and only what cannot fit is cut.
"""

import bisect

import numpy as np

from seqlab.data.permutation import keys
from seqlab.data.store import Tokens

Batch = dict[str, np.ndarray]


def best_fit(sizes: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
  """Packs pieces of `sizes` (each at most `length`), in order, into rows of `length`.

  Each piece goes to the row with the least room that still holds it. Returns (first, pieces): row r
  holds `pieces[first[r] : first[r + 1]]`.
  """
  rows: list[list[int]] = []
  open_rows: dict[int, list[int]] = {}  # room left -> rows with that room
  rooms: list[int] = []  # the keys of open_rows, sorted
  for piece, size in enumerate(sizes.tolist()):
    at = bisect.bisect_left(rooms, size)
    if at == len(rooms):
      row, room = len(rows), length
      rows.append([])
    else:
      room = rooms[at]
      row = open_rows[room].pop()
      if not open_rows[room]:
        del open_rows[room], rooms[at]
    rows[row].append(piece)
    left = room - size
    if left:
      if left not in open_rows:
        open_rows[left] = []
        bisect.insort(rooms, left)
      open_rows[left].append(row)
  first = np.cumsum([0, *map(len, rows)])
  return first, np.array([piece for row in rows for piece in row], np.int64)


def plan(sizes: np.ndarray, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Like `best_fit`, for the pieces in an order drawn from the seed."""
  order = np.random.Generator(np.random.Philox(key=keys(seed, "packing", count=2)))
  shuffled = order.permutation(len(sizes))
  first, pieces = best_fit(sizes[shuffled], length)
  return first, shuffled[pieces]


def cut_documents(
  begins: np.ndarray, ends: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
  """(start, size) of the pieces of at most `length` tokens that documents are cut into."""
  cuts = -(-(ends - begins) // length)  # pieces of each document
  nth = np.arange(cuts.sum()) - np.repeat(np.cumsum(cuts) - cuts, cuts)
  start = np.repeat(begins, cuts) + nth * length
  return start, np.minimum(np.repeat(ends, cuts) - start, length)


class Packed:
  """Row i of a best-fit plan over all documents. A document `eot t1..tn` takes n + 1 places; its
  labels are `t1..tn eot`, so no label reaches into its neighbour. The plan is made once; epochs
  permute its rows.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad = tokens, length, pad
    documents = np.asarray(tokens.documents)
    self._start, self._size = cut_documents(documents[:-1], documents[1:], length)
    self._first, self._pieces = plan(self._size, length, seed)
    self.count = self.evaluation_count = len(self._first) - 1

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("tokens_BT", "labels_BT", "pos_BT", "weight_BT"), (length,))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def pieces(self, index: int) -> np.ndarray:
    """The numbers of the pieces in row `index`, in their order; none beyond the last row."""
    first = self._first[min(index, self.count) :][:2]
    return self._pieces[first[0] : first[-1]]

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Rows `index_B` of the plan; an index beyond the last row is padding with weight 0."""
    shape = (len(index_B), self.length)
    tokens = np.full(shape, self._pad, self.tokens.dtype)
    labels, pos, weight = tokens.copy(), np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    ramp = np.arange(self.length, dtype=np.int32)
    buffer = np.empty(self.length + 1, self.tokens.dtype)
    for row, index in enumerate(index_B.tolist()):
      at = 0
      for piece in self.pieces(index):
        size = int(self._size[piece])
        self.tokens.read(int(self._start[piece]), buffer[: size + 1])
        here = slice(at, at + size)
        tokens[row, here], labels[row, here] = buffer[:size], buffer[1 : size + 1]
        pos[row, here] = ramp[:size]
        weight[row, here] = 1
        at += size
    return {
      "tokens_BT": tokens.astype(np.int32),
      "pos_BT": pos,
      "labels_BT": labels.astype(np.int32),
      "weight_BT": weight,
    }
