"""What a loader reads: data, the rows it is cut into, and the kinds of rows that `config.data.rows`
or an objective may name.
"""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np

from seqlab.data.examples import Examples
from seqlab.data.packing import Packed
from seqlab.data.pairs import Pairs
from seqlab.data.prefixes import Prefixes
from seqlab.data.sentences import Sentences
from seqlab.data.spans import Spans
from seqlab.data.store import Tokens
from seqlab.data.synthetic import Answers
from seqlab.data.tagged import Tagged
from seqlab.data.windows import Batch, Windows
from seqlab.data.word_starts import WholeWords
from seqlab.errors import UserError, nearest
from seqlab.spec import Call, parse_one


class Rows(Protocol):
  """The rows of one source, each computed from its index: `count` in an epoch of training, and
  `evaluation_count` that hold every label once.
  """

  count: int
  evaluation_count: int

  def train(self, index_B: np.ndarray, epoch: int) -> Batch: ...
  def evaluate(self, index_B: np.ndarray) -> Batch: ...


class Data(Protocol):
  """What a run trains on, in splits: text (`Corpus`), numbers (`Arrays`) or `Tasks`. `labels` are
  the names of the classes, in the order of their numbers.
  """

  @property
  def labels(self) -> list[str]: ...
  @property
  def fingerprint(self) -> str: ...
  def size(self, split: str) -> dict[str, int]: ...
  def about(self) -> dict[str, Any]: ...
  def parts(
    self, split: str, rows: str, *, length: int, seed: int, train: bool
  ) -> tuple[Sequence[Rows], tuple[float, ...]]: ...


class TokenRows(Rows, Protocol):
  """Rows cut from a store of tokens."""

  tokens: Tokens


# Classes of `TokenRows`, made of (tokens, length, pad, seed) and the arguments of their call, and
# `Answers`, which `Tasks` makes. Their `shapes`, of the length and those arguments, are those of a
# row's arrays: int32, and float32 where a name begins with `weight`.
ROWS: dict[str, Any] = {
  "windows": Windows,
  "packed": Packed,
  "prefixes": Prefixes,
  "examples": Examples,
  "pairs": Pairs,
  "spans": Spans,
  "sentences": Sentences,
  "tagged": Tagged,
  "whole_words": WholeWords,
  "answers": Answers,
}


def rows_call(rows: str) -> Call:
  """The call that names rows, such as "windows" or "pairs(layout='joined')"."""
  call = parse_one(rows, "rows")
  check_choice("rows", call.name, ROWS)
  return call


def shapes_of(rows: str, length: int) -> dict[str, tuple[int, ...]]:
  """The arrays of one row, by name."""
  call = rows_call(rows)
  return ROWS[call.name].shapes(length, **call.kwargs)


def check_choice(key: str, value: str, known: Collection[str]) -> None:
  if value not in known:
    raise UserError(f"{key}={value!r}: must be one of {', '.join(known)}{nearest(value, known)}")
