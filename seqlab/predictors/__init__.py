"""What a trained model says of examples: a predictor for each objective that says something of a
text, its words or an array.
"""

from seqlab.errors import UserError
from seqlab.objectives.classification import Classification
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.objectives.regression import Regression
from seqlab.objectives.tagging import Tagging
from seqlab.predictors.arrays import Examples
from seqlab.predictors.base import Predictor, Reader
from seqlab.predictors.classes import Classes, ClassSets
from seqlab.predictors.documents import Texts, Words
from seqlab.predictors.numbers import Numbers
from seqlab.predictors.tags import Tags
from seqlab.trained import Trained

# How an objective's model is asked, and who reads the texts for it.
PREDICTORS: dict[type, tuple[type[Predictor], type[Reader]]] = {
  Classification: (Classes, Texts),
  MultiLabelClassification: (ClassSets, Texts),
  Regression: (Numbers, Texts),
  Tagging: (Tags, Words),
}


def predictor(run: Trained) -> Predictor:
  """That of the run's objective.

  Raises:
    UserError: it has none.
  """
  found = next((PREDICTORS[one] for one in type(run.objective).__mro__ if one in PREDICTORS), None)
  if found is None:
    writes, fine = run.objective.writes, "fine-tune it, config.init.path, for one that does"
    command = {"": fine, "targets": "see `seqlab generate`"}.get(writes, "see `seqlab sample`")
    raise UserError(
      f"--workdir={run.folder}: config.objective={run.config.objective!r} predicts nothing of an "
      f"example; {command}"
    )
  made, reader = found
  reader = Examples if run.learned.shapes else reader
  return made(run, run.objective, reader(run))
