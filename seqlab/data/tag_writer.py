"""What the writer of a store keeps of the tags of one split: a number for each token."""

from collections.abc import Sequence

import numpy as np

from seqlab.data.documents import Document
from seqlab.errors import UserError


class TagWriter:
  """Numbers tags as they come; `numbered` gives them the numbers of their names in order, which are
  known when all text is read.
  """

  def __init__(self):
    self.names: dict[str, int] = {}
    self.documents, self.spaced = 0, False
    self._tags: list[np.ndarray] = []

  def add(self, document: Document, tokens: Sequence[np.ndarray]) -> None:
    """A document with tags, given the tokens of each of its words: the first carries the tag.

    Raises:
      UserError: a word has no token.
    """
    words, tags = document.words or (), document.tags or ()
    sizes = np.array([len(ids) for ids in tokens])
    if not sizes.all():
      word = words[int(np.argmin(sizes))]
      raise UserError(
        f"config.data.tokenizer: the word {word!r} of {document.id} has no token to carry its tag; "
        f"use another tokenizer, or take the word out"
      )
    tag_T = np.full(1 + sizes.sum(), -1, "<i2")  # end-of-text is first and has none
    tag_T[1 + np.cumsum(sizes) - sizes] = [self.names.setdefault(t, len(self.names)) for t in tags]
    self._tags.append(tag_T)
    self.documents += 1
    self.spaced = self.spaced or any(word[0] == " " for word in words)

  def numbered(self, names: Sequence[str]) -> np.ndarray:
    """int16, one for each token of the split, by the places of tags in `names`; -1 for none."""
    closing = np.full(1, -1, "<i2")
    own = np.array([*(names.index(name) for name in self.names), -1], "<i2")
    return own[np.concatenate([*self._tags, closing])]
