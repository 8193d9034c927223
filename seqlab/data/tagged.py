"""Rows for tagging: one document each, the tags on the first token of every word."""

import numpy as np

from seqlab.data.store import Tokens
from seqlab.errors import UserError

Batch = dict[str, np.ndarray]


class Tagged:
  """Row i is document i, its end-of-text first; `weight_BT` is 1 where a token has a tag: not on
  end-of-text, the further tokens of a word, and padding.

  Raises:
    UserError: the store holds no tags, or a document is longer than a row.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int):
    self.tokens, self.length, self._pad = tokens, length, pad
    self.count = self.evaluation_count = len(tokens.documents) - 1
    if tokens.tags is None:
      raise UserError(
        "config.objective=tagging(): the source has no tags; use conll(path=…) or entities()"
      )
    self._tags = tokens.tags
    longest = int(np.diff(tokens.documents).max(initial=0))
    if longest > length:
      raise UserError(
        f"config.length={length}: the longest text has {longest} tokens with its end-of-text, and "
        f"every word is to be tagged; give length={longest} or more, or cut the text"
      )

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("tokens_BT", "pos_BT", "tag_BT", "weight_BT"), (length,))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Documents `index_B`; an index beyond the last document is a row of padding with weight 0."""
    shape = (len(index_B), self.length)
    tokens = np.full(shape, self._pad, self.tokens.dtype)
    pos, tag = np.zeros(shape, np.int32), np.full(shape, -1, np.int32)
    ramp, starts = np.arange(self.length, dtype=np.int32), self.tokens.documents
    for row, index in enumerate(index_B.tolist()):
      if index >= self.count:
        continue
      start, end = int(starts[index]), int(starts[index + 1])
      here = slice(0, end - start)
      self.tokens.read(start, tokens[row, here])
      pos[row, here], tag[row, here] = ramp[here], self._tags[start:end]
    return {
      "tokens_BT": tokens.astype(np.int32),
      "pos_BT": pos,
      "tag_BT": np.maximum(tag, 0),
      "weight_BT": (tag >= 0).astype(np.float32),
    }
