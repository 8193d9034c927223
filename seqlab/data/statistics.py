"""What a prepared split is like: lengths of its texts, and how often each id stands in it."""

import itertools

import numpy as np

from seqlab.data.store import Tokens

QUANTILES = (0.5, 0.9, 0.99, 1.0)
_CHUNK = 1 << 20  # tokens read at once


def lengths(tokens: Tokens) -> np.ndarray:
  """int64 [documents] tokens of each with its end-of-text; [pairs, 2], source and target, where
  the store holds pairs.
  """
  sizes = np.diff(tokens.documents)
  return sizes.reshape(-1, 2) if tokens.pairs else sizes


def quantiles(sizes: np.ndarray) -> list[int]:
  """For each of `QUANTILES` the size that so large a share of the texts does not exceed; zeros
  without texts.
  """
  if not len(sizes):
    return [0] * len(QUANTILES)
  return [int(x) for x in np.quantile(sizes, QUANTILES, method="inverted_cdf")]


def histogram(sizes: np.ndarray, bars: int = 10) -> list[tuple[int, int, int]]:
  """(smallest, largest, texts) of at most `bars` ranges of one round width, which hold 99% of the
  texts, and of one more for what is longer; at least one text is asked for.
  """
  *_, high, longest = quantiles(sizes)
  widths = (int(digit * 10**power) for power in range(10) for digit in (1, 2, 5))
  width = next(width for width in widths if width * bars >= high)
  edges = [*range(1, high + 1, width)]
  edges.append(edges[-1] + width)
  rows = [
    (low, after - 1, int(((sizes >= low) & (sizes < after)).sum()))
    for low, after in itertools.pairwise(edges)
  ]
  if longest >= edges[-1]:
    rows.append((edges[-1], longest, int((sizes >= edges[-1]).sum())))
  return rows


def occurrences(tokens: Tokens, vocab: int) -> np.ndarray:
  """int64 [vocab]: how often each id stands in the stream."""
  counts = np.zeros(vocab, np.int64)
  for start in range(0, tokens.count, _CHUNK):
    ids = np.empty(min(_CHUNK, tokens.count - start), tokens.dtype)
    tokens.read(start, ids)
    counts += np.bincount(ids, minlength=vocab)
  return counts
