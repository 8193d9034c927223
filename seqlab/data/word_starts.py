"""Which tokens of a store begin a word: what is known of a text beside its ids when whole words are
to be hidden.

A word is what `words()` of `config.data.clean` makes one: English and European words by rule,
Chinese ones by jieba (arXiv:1906.08101). A token begins a word unless one goes on from the token
before; one that holds the end of a word and the beginning of the next ties them together.
"""

import os
import secrets
import sys
from collections.abc import Callable, Sequence

import numpy as np

from seqlab.data.cleaning.words import chinese_words, split_words
from seqlab.data.durable import fsync, mending
from seqlab.data.packing import Packed
from seqlab.data.store import Tokens
from seqlab.data.tokenizers import load_tokenizer
from seqlab.data.windows import Batch, Windows

_FILE = "words-1.bin"  # to be renamed where the rule changes: stores are then read anew
_OF: dict[str, type[Windows] | type[Packed]] = {"windows": Windows, "packed": Packed}


class WholeWords:
  """Rows of another kind with `begins_BT`, 1 where a token begins a word, or the rest of one that a
  row has cut.
  """

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int, rows: str):
    self.tokens, self._rows = tokens, _OF[rows](tokens, length, pad, seed)
    # Cut from the stream of what begins a word just as the rows are cut from that of the tokens.
    self._begins = _OF[rows](_Begins(tokens), length, 1, seed)
    self.count, self.evaluation_count = self._rows.count, self._rows.evaluation_count

  @staticmethod
  def shapes(length: int, rows: str) -> dict[str, tuple[int, ...]]:
    return _OF[rows].shapes(length) | dict(begins_BT=(length,))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return _joined(self._rows.train(index_B, epoch), self._begins.train(index_B, epoch))

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """As that of the other kind."""
    return _joined(self._rows.evaluate(index_B), self._begins.evaluate(index_B))


def _joined(batch: Batch, begins: Batch) -> Batch:
  return batch | {"begins_BT": begins["tokens_BT"] | (batch["pos_BT"] == 0)}


class _Begins(Tokens):
  """The stream of a split with 1 for a token that begins a word, 0 for another. The file is made
  where it is not there yet, once for a store.
  """

  def __init__(self, tokens: Tokens):
    super().__init__(tokens.folder, tokens.count, "u1")
    path = self.folder / _FILE
    if not path.exists() or path.stat().st_size != self.count:
      _write(tokens)
    self._flags = np.memmap(path, "u1", "r")

  def read(self, start: int, out: np.ndarray) -> None:
    out[:] = self._flags[start : start + len(out)]


def _write(tokens: Tokens) -> None:
  """Writes the file of a split, whole or not at all."""
  print(f"data: finding the words of {tokens.folder}", file=sys.stderr, flush=True)
  pieces = load_tokenizer(tokens.folder.parent / "tokenizer").pieces()
  key, step = "config.objective", "masked_language_model(words=True)"

  def cut(text: str) -> list[str]:
    return chinese_words(key, step)(text)

  whole, documents = tokens.folder / f".{_FILE}-{secrets.token_hex(4)}", tokens.documents
  with mending(tokens.folder):
    try:
      with open(whole, "wb") as stream:
        for first, end in zip(documents[:-1].tolist(), documents[1:].tolist(), strict=True):
          ids = np.empty(end - first - 1, tokens.dtype)
          tokens.read(first + 1, ids)
          stream.write(b"\1" + word_starts([pieces[i] for i in ids], cut).tobytes())
        stream.write(b"\1")
      fsync(whole)
      os.replace(whole, tokens.folder / _FILE)
    finally:
      whole.unlink(missing_ok=True)


def word_starts(pieces: Sequence[bytes], chinese: Callable[[str], list[str]]) -> np.ndarray:
  """uint8, 1 where a token begins a word, for tokens that stand for these bytes of a text;
  `chinese` cuts a run of Chinese characters.
  """
  joined = b"".join(pieces)
  text = joined.decode("utf-8")
  lead = (np.frombuffer(joined, np.uint8) & 0xC0) != 0x80  # the first byte of each character
  byte = np.append(np.flatnonzero(lead), len(joined))
  begun, ended, at = [], [], 0
  for word in split_words(text, lambda: chinese):
    at = text.index(word, at)
    begun.append(at)
    at += len(word)
    ended.append(at)
  turn = np.zeros(len(joined) + 2, int)
  turn[byte[begun] + 1] += 1
  turn[byte[ended]] -= 1
  inside = np.cumsum(turn)[:-1] > 0
  inside[:-1] |= ~lead
  start = np.cumsum([0, *map(len, pieces)])[:-1]
  return (~inside[start]).astype(np.uint8)
