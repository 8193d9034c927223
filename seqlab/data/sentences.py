"""Rows of one whole text each, with its next tokens as labels: for models of sentences."""

import numpy as np

from seqlab.data.store import Tokens
from seqlab.errors import UserError

Batch = dict[str, np.ndarray]


class Sentences:
  """Row i is document i: its end-of-text and its tokens, whose labels end with end-of-text;
  weight 1 on what is not padding.

  Raises:
    UserError: a document is longer than a row.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad = tokens, length, pad
    self.count = self.evaluation_count = len(tokens.documents) - 1
    longest = int(np.diff(tokens.documents).max(initial=0))
    if longest > length:
      raise UserError(
        f"config.length={length}: the longest text has {longest} tokens with its end-of-text, and "
        f"each is told whole; give length={longest} or more, or leave long ones out with "
        f"config.data.clean='length(max=…)'"
      )

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    rows = ("tokens_BT", "pos_BT", "labels_BT", "weight_BT")
    return dict.fromkeys(rows, (length,)) | dict(weight_B=())

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Documents `index_B`; an index beyond the last document is a row of padding with weight 0."""
    starts, shape = self.tokens.documents, (len(index_B), self.length)
    tokens_BT, labels_BT = (np.full(shape, self._pad, np.int32) for _ in range(2))
    pos_BT, weight_BT = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    ramp = np.arange(self.length, dtype=np.int32)
    buffer = np.empty(self.length + 1, self.tokens.dtype)
    for row, index in enumerate(index_B.tolist()):
      if index >= self.count:
        continue
      size = int(starts[index + 1] - starts[index])
      self.tokens.read(int(starts[index]), buffer[: size + 1])  # the next one's end-of-text too
      tokens_BT[row, :size], labels_BT[row, :size] = buffer[:size], buffer[1 : size + 1]
      pos_BT[row, :size], weight_BT[row, :size] = ramp[:size], 1
    return {
      "tokens_BT": tokens_BT,
      "pos_BT": pos_BT,
      "labels_BT": labels_BT,
      "weight_BT": weight_BT,
      "weight_B": (index_B < self.count).astype(np.float32),
    }
