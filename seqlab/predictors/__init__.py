"""What a trained model says of documents: a predictor for each objective that says something of a
text or its words.
"""

from collections.abc import Callable
from typing import Any

from seqlab.errors import UserError
from seqlab.objectives.classification import Classification
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.objectives.regression import Regression
from seqlab.objectives.tagging import Tagging
from seqlab.predictors.base import Predictor
from seqlab.predictors.classes import Classes, ClassSets
from seqlab.predictors.numbers import Numbers
from seqlab.predictors.tags import Tags
from seqlab.trained import Trained

PREDICTORS: dict[type, Callable[[Trained, Any], Predictor]] = {
  Classification: Classes,
  MultiLabelClassification: ClassSets,
  Regression: Numbers,
  Tagging: Tags,
}


def predictor(run: Trained) -> Predictor:
  """That of the run's objective.

  Raises:
    UserError: it has none.
  """
  if run.learned.shapes:
    raise UserError(f"--workdir={run.folder}: was trained on arrays; `predict` is for texts")
  made = PREDICTORS.get(type(run.objective))
  if made is None:
    raise UserError(
      f"--workdir={run.folder}: config.objective={run.config.objective!r} predicts nothing of a "
      f"text; see `seqlab sample` and `seqlab generate`"
    )
  return made(run, run.objective)
