"""Classes of texts: one for each, or any number of them."""

from collections.abc import Sequence

import numpy as np

from seqlab.data.documents import Document
from seqlab.data.labels import classes_of, parts
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.predictors.base import Line, OfTexts
from seqlab.scores.bootstrap import Score
from seqlab.scores.classification import class_scores, confusion, set_scores
from seqlab.trained import Trained


class Classes(OfTexts):
  """One class for each text."""

  found = ("predicted", "probabilities")
  of = "label"

  def right(self, document: Document) -> Sequence[str] | None:
    return None if document.label is None else (str(document.label),)

  def line(self, document: Document, output: np.ndarray) -> Line:
    (label,) = self.right(document) or (None,)
    shares = _told(output)
    return dict(
      text=document.text,
      label=label,
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


class ClassSets(OfTexts):
  """Those classes of a text whose probability is above a half."""

  found = ("predicted", "probabilities")
  of = "label"

  def __init__(self, run: Trained, objective: MultiLabelClassification):
    super().__init__(run, objective)
    self._separator = objective.separator
    self.names = classes_of(run.learned.labels, objective.separator)

  def right(self, document: Document) -> Sequence[str] | None:
    return None if document.label is None else parts(str(document.label), self._separator)

  def line(self, document: Document, output: np.ndarray) -> Line:
    right, shares = self.right(document), _told(output)
    return dict(
      text=document.text,
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
  return "\n".join([line["text"], *(f"  {share:.4f}  {name}" for name, share in shares)])


def _told(output: np.ndarray) -> list[float]:
  """Probabilities to six digits of their own, so that small ones keep their order."""
  return [float(f"{share:.6g}") for share in output]
