"""What predictors have in common: examples in, a line of results for each out.

A predictor knows what a line of results holds and which scores there are; its reader, where
examples come from and how a network reads them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from seqlab.errors import UserError
from seqlab.scores.bootstrap import Score
from seqlab.trained import Trained

Line = dict[str, Any]


def asked(line: Line) -> str:
  """What a line is about, as it is printed: its text, of a pair behind the text before it."""
  return " | ".join(line[name] for name in ("source", "text") if name in line)


class Reader(Protocol):
  """`noun` is what its examples are called."""

  noun: ClassVar[str]

  def __init__(self, run: Trained): ...

  def given(self, texts: Sequence[str], sources: Sequence[str]) -> list[Any]:
    """Examples of the command line; where texts come in pairs, each with its source.

    Raises:
      UserError: the run does not read texts, or there are not as many sources.
    """
    ...

  def chosen(self, split: str, data: str) -> list[Any]:
    """The examples of a split of the run's data, or of all of another source."""
    ...

  def read(self, example: Any) -> Any:
    """The example as the objective sees it.

    Raises:
      UserError: it is empty.
    """
    ...

  def id(self, example: Any) -> str:
    """What errors call it."""
    ...

  def asked(self, example: Any) -> Line:
    """The fields of its line that say which it is."""
    ...

  def label(self, example: Any) -> str | None:
    """What it says of itself, None where it says nothing."""
    ...

  def outputs(self, predict: Callable, examples: Sequence[Any]) -> Iterator[tuple[int, np.ndarray]]:
    """The number of each example and its row of `predict(params, batch)`, in any order."""
    ...


class Predictor:
  """`found` are the fields of a line that the model fills; the others say what was asked and, where
  it is known, what is right.
  """

  found: ClassVar[tuple[str, ...]] = ("predicted",)
  of: ClassVar[str]  # what a name of `labels` is called

  def __init__(self, run: Trained, objective: Any, reader: Reader):
    self.run, self.reader, self.names = run, reader, run.learned.labels
    self._predict: Callable = objective.predict

  def lines(self, examples: Sequence[Any]) -> list[Line]:
    """A line for each example.

    Raises:
      UserError: an example is empty or does not fit the model's rows, or names what the run does
        not know.
    """
    examples = [self._checked(self.reader.read(example)) for example in examples]
    found = dict(self.reader.outputs(self._predict, examples))
    return [self.line(example, found[i]) for i, example in enumerate(examples)]

  def _checked(self, example: Any) -> Any:
    for name in self.names_of(example):
      if name not in self.names:
        raise UserError(
          f"{self.reader.id(example)}: unknown {self.of} {name!r}; known are "
          f"{', '.join(self.names)}"
        )
    return example

  def right(self, example: Any) -> Any:
    """What the example itself says is right, None where it says nothing."""
    raise NotImplementedError

  def names_of(self, example: Any) -> Sequence[str]:
    """The names in what is right, which the run must know."""
    return self.right(example) or ()

  def line(self, example: Any, output: np.ndarray) -> Line:
    raise NotImplementedError

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    """From 0 to 100, of chosen lines, in all of which it is known what is right."""
    raise NotImplementedError

  def confusion(self, lines: Sequence[Line]) -> np.ndarray | None:
    """How often each class (rows) was taken for each, [C, C]; None where there are no classes."""
    return None

  def show(self, line: Line) -> str:
    raise NotImplementedError
