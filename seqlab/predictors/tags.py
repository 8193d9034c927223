"""Tags of words."""

from collections.abc import Iterator, Sequence

import numpy as np

from seqlab.data.documents import Document
from seqlab.data.tags import allowed, cut, in_scheme, tagged_document
from seqlab.errors import UserError
from seqlab.objectives.tagging import Tagging
from seqlab.predictors.base import Encoded, Line, Predictor
from seqlab.scores.bootstrap import Score
from seqlab.scores.spans import tag_scores
from seqlab.spec import parse
from seqlab.trained import Trained


class Tags(Predictor):
  """The best chain of tags that keeps the scheme."""

  of = "tag"

  def __init__(self, run: Trained, objective: Tagging):
    super().__init__(run, objective)
    calls = parse(run.config.data.source, "config.data.source")
    free = any(call.kwargs.get("scheme") == "any" for call in calls)
    scheme = allowed(self.names, free)
    self._predict = lambda params, batch: objective.predict(params, batch, *scheme)

  def right(self, document: Document) -> Sequence[str] | None:
    return document.tags

  def read(self, document: Document) -> Document:
    """Cut into words, where its source has not done so."""
    between = self.run.learned.between or ""
    if document.words is None:
      words = cut(document.text, between)
      document = tagged_document(document.id, words, None, between)
    return super().read(document)

  def encode(self, document: Document) -> Encoded:
    tokenizer, length, words = self.run.learned.tokenizer, self.run.config.length, document.words
    pieces = tokenizer.encode_batch(words or ())
    sizes = np.array([len(piece) for piece in pieces], int)
    if not sizes.all():
      raise UserError(
        f"{document.id}: the word {(words or ())[int(np.argmin(sizes))]!r} has no token to carry a "
        f"tag; leave it out"
      )
    if sizes.sum() >= length:
      raise UserError(
        f"{document.id}: its words are {sizes.sum()} tokens; at most {length - 1} are wanted"
      )
    told = np.zeros(1 + sizes.sum(), bool)
    told[1 + np.cumsum(sizes) - sizes] = True
    return np.concatenate([[tokenizer.eot], *pieces]), told

  def outputs(self, encoded: Sequence[Encoded]) -> Iterator[tuple[int, np.ndarray]]:
    """The number of each document and the number of each word's tag."""
    for i, output in super().outputs(encoded):
      told = encoded[i][1]
      yield i, output[: len(told)][told]

  def line(self, document: Document, output: np.ndarray) -> Line:
    return dict(
      words=[word.strip() for word in document.words or ()],
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
