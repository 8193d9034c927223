"""Classes of examples: one for each, or any number of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.data.labels import classes_of, parts
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.predictors.base import Line, Predictor, Reader, asked
from seqlab.scores.bootstrap import Score
from seqlab.scores.classification import class_scores, confusion, set_scores
from seqlab.trained import Trained


class Classes(Predictor):
  """One class for each example."""

  found = ("predicted", "probabilities")
  of = "label"

  def right(self, example: Any) -> Sequence[str] | None:
    label = self.reader.label(example)
    return None if label is None else (label,)

  def line(self, example: Any, output: np.ndarray) -> Line:
    shares = _told(output)
    return dict(
      **self.reader.asked(example),
      label=self.reader.label(example),
      predicted=self.names[output.argmax()],
      probabilities=dict(zip(self.names, shares, strict=True)),
    )

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    shares = [[line["probabilities"][name] for name in self.names] for line in lines]
    return class_scores(*self._numbers(lines), np.array(shares))

  def confusion(self, lines: Sequence[Line]) -> np.ndarray:
    return confusion(*self._numbers(lines), len(self.names))

  def show(self, line: Line) -> str:
    return _ranked(line)

  def _numbers(self, lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    wanted, given = (
      np.array([self.names.index(line[key]) for line in lines]) for key in ("label", "predicted")
    )
    return wanted, given


class ClassSets(Predictor):
  """Those classes of an example whose probability is above a half."""

  found = ("predicted", "probabilities")
  of = "label"

  def __init__(self, run: Trained, objective: MultiLabelClassification, reader: Reader):
    super().__init__(run, objective, reader)
    self._separator = objective.separator
    self.names = classes_of(run.learned.labels, objective.separator)

  def right(self, example: Any) -> Sequence[str] | None:
    label = self.reader.label(example)
    return None if label is None else parts(label, self._separator)

  def line(self, example: Any, output: np.ndarray) -> Line:
    right, shares = self.right(example), _told(output)
    return dict(
      **self.reader.asked(example),
      labels=None if right is None else sorted(right),
      predicted=[name for name, share in zip(self.names, output, strict=True) if share > 0.5],
      probabilities=dict(zip(self.names, shares, strict=True)),
    )

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    wanted_NC, given_NC = (
      np.array([[name in line[key] for name in self.names] for line in lines])
      for key in ("labels", "predicted")
    )
    shares = [[line["probabilities"][name] for name in self.names] for line in lines]
    return set_scores(wanted_NC, given_NC, np.array(shares))

  def show(self, line: Line) -> str:
    return _ranked(line)


def _ranked(line: Line) -> str:
  shares = sorted(line["probabilities"].items(), key=lambda pair: -pair[1])
  return "\n".join([asked(line), *(f"  {share:.4f}  {name}" for name, share in shares)])


def _told(output: np.ndarray) -> list[float]:
  """Probabilities to six digits of their own, so that small ones keep their order."""
  return [float(f"{share:.6g}") for share in output]
