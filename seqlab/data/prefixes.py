"""Rows for a language model that reads the beginning of a text both ways and writes the rest."""

import numpy as np

from seqlab.data.packing import Packed
from seqlab.data.permutation import draw
from seqlab.data.store import Tokens

Batch = dict[str, np.ndarray]


class Prefixes(Packed):
  """Packed documents, of each of which 1 to all of its tokens, as many as chance will, are a
  prefix: `prefix_BT` is 1 there, and the weight 0 where a label lies inside it. Every epoch draws
  anew; an evaluation draws the same in every run, by the number of the piece.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    super().__init__(tokens, length, pad, seed)
    self._seed = seed

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    return Packed.shapes(length) | dict(prefix_BT=(length,))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self._cut(index_B, self._seed, epoch)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """As `Packed.evaluate`."""
    return self._cut(index_B, "evaluation")

  def _cut(self, index_B: np.ndarray, *names: int | str) -> Batch:
    batch = super().evaluate(index_B)
    batch["prefix_BT"] = np.zeros_like(batch["pos_BT"])
    for row, index in enumerate(index_B.tolist()):
      at = 0
      for piece in self.pieces(index):
        size = int(self._size[piece])
        cut = at + 1 + draw(size, "prefix", *names, int(piece))
        batch["prefix_BT"][row, at:cut] = 1
        batch["weight_BT"][row, at : cut - 1] = 0
        at += size
    return batch
