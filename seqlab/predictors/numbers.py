"""Numbers of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.data.labels import number
from seqlab.predictors.base import Line, Predictor, asked
from seqlab.scores.bootstrap import Score
from seqlab.scores.regression import regression_scores


class Numbers(Predictor):
  """One number for each text."""

  of = "number"

  def right(self, example: Any) -> float | None:
    label = self.reader.label(example)
    return None if label is None else number(label)

  def names_of(self, example: Any) -> Sequence[str]:
    self.right(example)
    return ()

  def line(self, example: Any, output: np.ndarray) -> Line:
    asked, predicted = self.reader.asked(example), round(float(output), 6)
    return dict(**asked, label=self.right(example), predicted=predicted)

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    wanted, given = ([line[key] for line in lines] for key in ("label", "predicted"))
    return regression_scores(np.array(wanted), np.array(given))

  def show(self, line: Line) -> str:
    return f"{line['predicted']:10.4f}  {asked(line)}"
