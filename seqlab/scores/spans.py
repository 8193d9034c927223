"""Spans of BIO tags (Ramshaw & Marcus 1995) and their F1, as CoNLL counts them: a span is right
where its type, begin and end are.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seqlab.errors import UserError


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


def span_scores(given: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> SpanScores:
  """Precision, recall and F1 of the tags given to sentences.

  Raises:
    UserError: other numbers of sentences or tags, or a tag outside the scheme.
  """
  if len(given) != len(wanted):
    raise UserError(f"tags of {len(given)} sentences against {len(wanted)}")
  right = ours = theirs = 0
  for number, (one, other) in enumerate(zip(given, wanted, strict=True)):
    if len(one) != len(other):
      raise UserError(f"sentence {number + 1}: {len(one)} tags against {len(other)}")
    one_spans, other_spans = spans(one), spans(other)
    right += len(one_spans & other_spans)
    ours, theirs = ours + len(one_spans), theirs + len(other_spans)
  f1 = 2 * right / (ours + theirs) if ours + theirs else 0.0
  return SpanScores(right / ours if ours else 0.0, right / theirs if theirs else 0.0, f1)
