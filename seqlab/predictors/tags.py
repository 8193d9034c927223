"""Tags of words."""

from collections.abc import Sequence

import numpy as np

from seqlab.data.documents import Document
from seqlab.data.tags import allowed, in_scheme
from seqlab.objectives.tagging import Tagging
from seqlab.predictors.base import Line, Predictor, Reader
from seqlab.scores.bootstrap import Score
from seqlab.scores.spans import tag_scores
from seqlab.spec import parse
from seqlab.trained import Trained


class Tags(Predictor):
  """The best chain of tags that keeps the scheme."""

  of = "tag"

  def __init__(self, run: Trained, objective: Tagging, reader: Reader):
    super().__init__(run, objective, reader)
    calls = parse(run.config.data.source, "config.data.source")
    free = any(call.kwargs.get("scheme") == "any" for call in calls)
    scheme = allowed(self.names, free)
    self._predict = lambda params, batch: objective.predict(params, batch, *scheme)

  def right(self, document: Document) -> Sequence[str] | None:
    return document.tags

  def line(self, document: Document, output: np.ndarray) -> Line:
    return dict(
      **self.reader.asked(document),
      tags=None if document.tags is None else list(document.tags),
      predicted=[self.names[tag] for tag in output],
    )

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    given, wanted = ([line[key] for line in lines] for key in ("predicted", "tags"))
    return tag_scores(given, wanted, all(map(in_scheme, self.names)))

  def show(self, line: Line) -> str:
    return "".join(
      f"{word} {tag}\n" for word, tag in zip(line["words"], line["predicted"], strict=True)
    )
