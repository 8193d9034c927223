"""The floor under a language model: what counting and compressing reach on the same text.

n-gram models with interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999,
section 2.7), one discount per order, trained on the training text; xz on the validation text
itself. As for a model, every document's end is predicted too, and its bits are divided by the
text's bytes or characters.
"""

import lzma
from collections.abc import Iterable

import numpy as np


def baselines(train: str | Iterable[str], valid: str | Iterable[str]) -> dict[str, float]:
  """Measures the validation text, given as one text or as documents.

  Returns:
    `bigram` and `xz` in bits per byte, `unigram` and `trigram` (of characters) in bits per
    character.
  """
  train = [train] if isinstance(train, str) else list(train)
  valid = [valid] if isinstance(valid, str) else list(valid)
  raw = "\n".join(valid).encode()
  size = sum(len(text.encode()) for text in valid)
  byte_streams = [_stream([np.frombuffer(t.encode(), np.uint8) for t in d]) for d in (train, valid)]
  return {
    "bigram": _total(byte_streams, order=2, symbols=256 + 1) / size,
    **characters(train, valid),
    "xz": 8 * len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)) / size,
  }


def characters(train: Iterable[str], valid: Iterable[str]) -> dict[str, float]:
  """`unigram` and `trigram` of `baselines` alone."""
  train, valid = list(train), list(valid)
  streams = [
    _stream([np.frombuffer(t.encode("utf-32-le"), "<u4") for t in d]) for d in (train, valid)
  ]
  count = sum(map(len, valid))
  return {
    name: _total(streams, order=order, symbols=0x110000 + 1) / count
    for name, order in (("unigram", 1), ("trigram", 3))
  }


def ngram_bits(train: np.ndarray, valid: np.ndarray, order: int, symbols: int) -> np.ndarray:
  """Bits of each symbol of `valid` but the first, under an n-gram model of `train`.

  Both are streams of numbers below `symbols`, over all of which the probabilities sum to 1.
  """
  known, train = np.unique(train, return_inverse=True)  # small numbers, so that a gram fits int64
  base = len(known) + 1
  place = np.minimum(np.searchsorted(known, valid), len(known) - 1)
  valid = np.where(known[place] == valid, place, len(known))
  gram, asked = _grams(train, order, base), _grams(valid, order, base)
  probability = np.full(len(asked), 1 / symbols)
  for n in range(1, order + 1):
    # Orders below the highest count the distinct symbols that precede a gram, not its occurrences.
    kept = gram if n == order else np.unique(gram % base ** (n + 1)) % base**n
    keys, counts = np.unique(kept, return_counts=True)
    once, twice = (counts == 1).sum(), (counts == 2).sum()
    discount = max(once / max(once + 2 * twice, 1), 0.05)  # never 0: the rest is the unseen's share
    contexts, first = np.unique(keys // base, return_index=True)
    totals = np.add.reduceat(counts, first)
    kinds = np.diff(np.append(first, len(keys)))
    here = asked % base**n
    at, seen = _find(contexts, here // base)
    count_at, count_seen = _find(keys, here)
    count = np.where(count_seen, counts[count_at], 0)
    lower = (np.maximum(count - discount, 0) + discount * kinds[at] * probability) / totals[at]
    probability = np.where(seen, lower, probability)
  return -np.log2(probability)


def _total(streams: list[np.ndarray], order: int, symbols: int) -> float:
  train, valid = streams
  return float(ngram_bits(train, valid, order, symbols).sum())


def _grams(stream: np.ndarray, order: int, base: int) -> np.ndarray:
  """The gram that ends at each symbol but the first, its last symbol as the lowest digit."""
  before = np.full(max(order - 2, 0), stream[0])
  padded = np.concatenate([before, stream[order == 1 :]]).astype(np.int64)
  count = len(stream) - 1
  value = np.zeros(count, np.int64)
  for n in range(order):
    value = value * base + padded[n : n + count]
  return value


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
  return at, keys[at] == wanted


def _stream(documents: list[np.ndarray]) -> np.ndarray:
  """`end t1..tn end t1..tm ... end`, as in the token store; end is the number after the last
  symbol.
  """
  parts = [part for d in documents for part in (_END[d.dtype.itemsize], d.astype(np.int64))]
  return np.concatenate([*parts, _END[documents[0].dtype.itemsize]])


_END = {1: np.array([256]), 4: np.array([0x110000])}  # by the width of a byte and of a code point
