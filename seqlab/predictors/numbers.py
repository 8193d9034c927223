"""Numbers of texts."""

from collections.abc import Sequence

import numpy as np

from seqlab.data.documents import Document
from seqlab.data.labels import number
from seqlab.predictors.base import Line, OfTexts
from seqlab.scores.bootstrap import Score
from seqlab.scores.regression import regression_scores


class Numbers(OfTexts):
  """One number for each text."""

  of = "number"

  def right(self, document: Document) -> float | None:
    return None if document.label is None else number(str(document.label))

  def names_of(self, document: Document) -> Sequence[str]:
    self.right(document)
    return ()

  def line(self, document: Document, output: np.ndarray) -> Line:
    return dict(text=document.text, label=self.right(document), predicted=round(float(output), 6))

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    wanted, given = ([line[key] for line in lines] for key in ("label", "predicted"))
    return regression_scores(np.array(wanted), np.array(given))

  def show(self, line: Line) -> str:
    return f"{line['predicted']:10.4f}  {line['text']}"
