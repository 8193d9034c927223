"""Scores of tags: accuracy, whole sentences, and spans of BIO tags (Ramshaw & Marcus 1995) as CoNLL
counts them: a span is right where its type, begin and end are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqlab.errors import UserError
from seqlab.scores.bootstrap import Score, mean_of


class SpanScores(NamedTuple):
  """From 0 to 1, over all spans of all sentences; 0 where there is nothing to divide by."""

  precision: float
  recall: float
  f1: float


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
  """(type, first, last) of each span. An I- that continues nothing begins a span, as conlleval has
  it.

  Raises:
    UserError: a tag is neither O nor B-TYPE nor I-TYPE.
  """
  found, kind, first = set(), "", 0
  for at, tag in enumerate([*tags, "O"]):
    head, dash, name = tag.partition("-")
    if tag != "O" and (head not in ("B", "I") or not dash or not name):
      raise UserError(f"tag {tag!r} is outside the scheme: O, B-TYPE or I-TYPE is wanted")
    if kind and (head != "I" or name != kind):
      found.add((kind, first, at - 1))
      kind = ""
    if tag != "O" and not kind:
      kind, first = name, at
  return found


class SpanCounts(NamedTuple):
  """Spans of each sentence, int [N, types]: right ones, those given, those wanted."""

  types: tuple[str, ...]
  right: np.ndarray
  given: np.ndarray
  wanted: np.ndarray

  def scores(self, index: np.ndarray | None = None, kind: str | None = None) -> SpanScores:
    """Of the sentences `index`, with repetitions, or all; of one type, or all."""
    rows = slice(None) if index is None else index
    of = slice(None) if kind is None else self.types.index(kind)
    right, given, wanted = (int(c[rows, of].sum()) for c in (self.right, self.given, self.wanted))
    f1 = 2 * right / (given + wanted) if given + wanted else 0.0
    return SpanScores(right / given if given else 0.0, right / wanted if wanted else 0.0, f1)


def span_counts(given: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> SpanCounts:
  """Counts the spans of the tags given to sentences.

  Raises:
    UserError: other numbers of sentences or tags, or a tag outside the scheme.
  """
  if len(given) != len(wanted):
    raise UserError(f"tags of {len(given)} sentences against {len(wanted)}")
  found = []
  for number, (one, other) in enumerate(zip(given, wanted, strict=True)):
    if len(one) != len(other):
      raise UserError(f"sentence {number + 1}: {len(one)} tags against {len(other)}")
    ours, theirs = spans(one), spans(other)
    found.append((ours & theirs, ours, theirs))
  types = tuple(sorted({kind for sets in found for some in sets for kind, _, _ in some}))
  counts = np.zeros((3, len(found), len(types)), np.int64)
  for number, sets in enumerate(found):
    for which, some in enumerate(sets):
      for kind, _, _ in some:
        counts[which, number, types.index(kind)] += 1
  return SpanCounts(types, *counts)


def span_scores(given: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> SpanScores:
  """Precision, recall and F1 of the tags given to sentences.

  Raises:
    UserError: as `span_counts`.
  """
  return span_counts(given, wanted).scores()


def tag_scores(
  given: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]], bio: bool
) -> dict[str, Score]:
  """The scores of chosen sentences, from 0 to 100: of spans, all and by type, where the tags are
  `bio`; of single tags; and the share of sentences whose tags are all right.

  Raises:
    UserError: as `span_counts`.
  """
  found: dict[str, Score] = {}
  if bio:
    counts = span_counts(given, wanted)
    for name in ("f1", "precision", "recall"):
      found[f"span {name}"] = _of_spans(counts, name)
    for kind in counts.types:
      found[f"span f1 of {kind}"] = _of_spans(counts, "f1", kind)
  right = [
    sum(a == b for a, b in zip(*pair, strict=True)) for pair in zip(given, wanted, strict=True)
  ]
  right_N, size_N = np.array(right), np.array([len(tags) for tags in wanted])
  found["accuracy of tags"] = lambda index: float(100 * right_N[index].sum() / size_N[index].sum())
  found["exact match"] = mean_of(100.0 * (right_N == size_N))
  return found


def _of_spans(counts: SpanCounts, name: str, kind: str | None = None) -> Score:
  return lambda index: 100 * getattr(counts.scores(index, kind), name)
