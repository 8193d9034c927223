"""Rows for classification: a text each, or a pair of texts, with its label, cut or padded to
`length`.
"""

import numpy as np

from seqlab.data.store import Tokens
from seqlab.errors import UserError

Batch = dict[str, np.ndarray]


class Examples:
  """Row i is document i: its end-of-text, then its first `length - 1` tokens; weight 1 on what is
  not padding. Of a pair both texts, each behind its end-of-text, are one row, `types_BT` being 1 on
  the second (arXiv:1810.04805, section 3.2).
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad = tokens, length, pad
    sides = 2 if tokens.pairs else 1
    self._starts, self._second = tokens.documents[::sides], tokens.documents[sides - 1 :: sides]
    self.count = self.evaluation_count = len(self._starts) - 1
    if tokens.labels is None:
      raise UserError(
        "config.objective: it needs labels; name their column in the source, label='…'"
      )
    self._labels = tokens.labels

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("tokens_BT", "pos_BT", "types_BT", "weight_BT"), (length,)) | dict(
      label_B=(), weight_B=()
    )

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Documents `index_B`; an index beyond the last document is a row of padding with weight 0."""
    real_B = index_B < self.count
    index_B = np.where(real_B, index_B, 0)
    starts = self._starts
    first_B = np.where(self.tokens.pairs, self._second[index_B] - starts[index_B], self.length)
    size_B = np.where(real_B, np.minimum(starts[index_B + 1] - starts[index_B], self.length), 0)
    raw = np.full((len(index_B), self.length), self._pad, self.tokens.dtype)
    for row, start, size in zip(raw, starts[index_B].tolist(), size_B.tolist(), strict=True):
      self.tokens.read(start, row[:size])
    column = np.arange(self.length, dtype=np.int32)
    inside_BT = column < size_B[:, None]
    return {
      "tokens_BT": raw.astype(np.int32),
      "pos_BT": np.where(inside_BT, column, 0).astype(np.int32),
      "types_BT": (inside_BT & (column >= first_B[:, None])).astype(np.int32),
      "weight_BT": inside_BT.astype(np.float32),
      "label_B": np.where(real_B, self._labels[index_B], 0).astype(np.int32),
      "weight_B": real_B.astype(np.float32),
    }
