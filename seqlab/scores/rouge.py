"""ROUGE-1, -2 and -L (Lin 2004): the words of a reference summary that a written one has.

Tokens are lower-cased runs of letters and digits, and every Chinese character by itself. On English
this is what the package rouge-score does without stemming; that one drops all Chinese.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

_TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+")


def rouge(written: str, reference: str) -> dict[str, float]:
  """F1 of unigrams ("rouge1"), bigrams ("rouge2") and the longest common subsequence ("rougeL"),
  from 0 to 1.
  """
  ours, theirs = tokens(written), tokens(reference)
  return {
    "rouge1": _overlap(ours, theirs, 1),
    "rouge2": _overlap(ours, theirs, 2),
    "rougeL": _f1(_common(ours, theirs), len(ours), len(theirs)),
  }


def tokens(text: str) -> list[str]:
  return _TOKEN.findall(text.lower())


def _overlap(ours: Sequence[str], theirs: Sequence[str], n: int) -> float:
  one, other = (Counter(zip(*(t[i:] for i in range(n)), strict=False)) for t in (ours, theirs))
  return _f1((one & other).total(), one.total(), other.total())


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
  """The length of the longest common subsequence, row by row of the usual table."""
  if not ours or not theirs:
    return 0
  number = {token: i for i, token in enumerate(dict.fromkeys([*ours, *theirs]))}
  one, other = (np.array([number[token] for token in t]) for t in (ours, theirs))
  row = np.zeros(len(other) + 1, int)
  for token in one:
    # A match takes the diagonal; whatever is best so far goes on to the right.
    row[1:] = np.maximum(row[1:], row[:-1] + (other == token))
    row = np.maximum.accumulate(row)
  return int(row[-1])


def _f1(both: int, ours: int, theirs: int) -> float:
  return 2 * both / (ours + theirs) if ours and theirs else 0.0
