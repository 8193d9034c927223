"""What a loader reads: data, the rows it is cut into, and the kinds of rows that `config.data.rows`
or an objective may name.
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from seqlab.data.examples import Examples
from seqlab.data.packing import Packed
from seqlab.data.pairs import OnePair, Pairs
from seqlab.data.sentences import Sentences
from seqlab.data.store import Tokens
from seqlab.data.tagged import Tagged
from seqlab.data.windows import Batch, Windows
from seqlab.errors import UserError, nearest


class Rows(Protocol):
  """The rows of one source, each computed from its index: `count` in an epoch of training, and
  `evaluation_count` that hold every label once.
  """

  count: int
  evaluation_count: int

  def train(self, index_B: np.ndarray, epoch: int) -> Batch: ...
  def evaluate(self, index_B: np.ndarray) -> Batch: ...


class Data(Protocol):
  """What a run trains on, in splits: text (`Corpus`) or numbers (`Arrays`). `labels` are the names
  of the classes, in the order of their numbers.
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

  names: ClassVar[tuple[str, ...]]  # of a batch: int32, and float32 where it is a weight
  tokens: Tokens

  def __init__(self, tokens: Tokens, length: int, pad: int, seed: int): ...


ROWS: dict[str, type[TokenRows]] = {
  "windows": Windows,
  "packed": Packed,
  "examples": Examples,
  "pairs": Pairs,
  "one_pair": OnePair,
  "sentences": Sentences,
  "tagged": Tagged,
}


def check_choice(key: str, value: str, known: Collection[str]) -> None:
  if value not in known:
    raise UserError(f"{key}={value!r}: must be one of {', '.join(known)}{nearest(value, known)}")
