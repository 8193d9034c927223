"""How varied texts are: distinct-n (Li et al. 2016, arXiv:1510.03055) over all of them, and the
repetition inside each (Welleck et al. 2019, arXiv:1908.04319).
"""

from collections.abc import Sequence

from seqlab.scores.rouge import tokens


def distinct(texts: Sequence[str], n: int) -> float:
  """The share of different n-grams among all n-grams of all texts, from 0 to 1; 0 without any.

  It falls with the number of texts, so only sets of one size compare, and a sample with
  repetitions says nothing about it: it has no bootstrap interval.
  """
  grams = [gram for text in texts for gram in _grams(text, n)]
  return len(set(grams)) / len(grams) if grams else 0.0


def repetition(text: str, n: int) -> float:
  """The share of n-grams of a text that stood in it before, from 0 to 1; 0 for a short one."""
  grams = _grams(text, n)
  return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _grams(text: str, n: int) -> list[tuple[str, ...]]:
  """n-grams of words, Chinese characters counting as words."""
  words = tokens(text)
  return list(zip(*(words[i:] for i in range(n)), strict=False))
