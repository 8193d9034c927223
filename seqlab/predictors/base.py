"""What predictors have in common: documents in, a line of results for each out.

A predictor knows what its objective reads of a document, what a line of results holds, and which
scores there are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import numpy as np

from seqlab import axes, build
from seqlab.data.documents import Document
from seqlab.errors import UserError
from seqlab.evaluate import rows_on
from seqlab.scores.bootstrap import Score
from seqlab.trained import Trained

Line = dict[str, Any]
Encoded = tuple[np.ndarray, np.ndarray]

_ROWS = 64
_ROUND = 16  # rows are padded to a multiple of it, so that lengths share a program


class Predictor:
  """`found` are the fields of a line that the model fills; the others say what was asked and, where
  it is known, what is right.
  """

  found: ClassVar[tuple[str, ...]] = ("predicted",)
  of: ClassVar[str]  # what a name of `labels` is called

  def __init__(self, run: Trained, objective: Any):
    self.run, self.names = run, run.learned.labels
    self._predict: Callable = objective.predict

  def lines(self, documents: Sequence[Document]) -> list[Line]:
    """A line for each document.

    Raises:
      UserError: a document is empty or does not fit the model's rows, or names what the run does
        not know.
    """
    documents = [self.read(document) for document in documents]
    found = dict(self.outputs([self.encode(document) for document in documents]))
    return [self.line(document, found[i]) for i, document in enumerate(documents)]

  def read(self, document: Document) -> Document:
    """The document as the objective sees it, its names checked."""
    if not document.text.strip():
      raise UserError(f"{document.id}: is empty; a text is wanted")
    for name in self.names_of(document):
      if name not in self.names:
        raise UserError(
          f"{document.id}: unknown {self.of} {name!r}; known are {', '.join(self.names)}"
        )
    return document

  def right(self, document: Document) -> Any:
    """What the document itself says is right, None where it says nothing."""
    raise NotImplementedError

  def names_of(self, document: Document) -> Sequence[str]:
    """The names in what is right, which the run must know."""
    return self.right(document) or ()

  def encode(self, document: Document) -> Encoded:
    """The tokens of a row, as in training, and which of them count."""
    raise NotImplementedError

  def line(self, document: Document, output: np.ndarray) -> Line:
    raise NotImplementedError

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    """From 0 to 100, of chosen lines, in all of which it is known what is right."""
    raise NotImplementedError

  def show(self, line: Line) -> str:
    raise NotImplementedError

  def outputs(self, encoded: Sequence[Encoded]) -> Iterator[tuple[int, np.ndarray]]:
    """The number of each document and its row of the output; those of like length go together."""
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]))
    mesh, call = self.run.mesh, jax.jit(self._predict)
    with axes.use_mesh(mesh, build.table(self.run.config)):
      for start in range(0, len(order), _ROWS):
        here = order[start : start + _ROWS]
        longest = max(len(encoded[i][0]) for i in here)
        rows = rows_on(mesh, _ROWS if len(order) > _ROWS else len(here))
        shape = (rows, -(-longest // _ROUND) * _ROUND)
        tokens_BT = np.full(shape, self.run.learned.tokenizer.pad, np.int32)
        pos_BT, weight_BT = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for row, i in enumerate(here):
          ids, told = encoded[i]
          tokens_BT[row, : len(ids)], weight_BT[row, : len(ids)] = ids, told
          pos_BT[row, : len(ids)] = np.arange(len(ids))
        batch = dict(tokens_BT=tokens_BT, pos_BT=pos_BT, weight_BT=weight_BT)
        output = jax.device_get(call(self.run.params, axes.put_batch(batch, mesh)))
        for row, i in enumerate(here):
          yield i, output[row]


class OfTexts(Predictor):
  """For objectives that say one thing of a whole text."""

  def encode(self, document: Document) -> Encoded:
    tokenizer = self.run.learned.tokenizer
    ids = np.append(tokenizer.eot, tokenizer.encode_batch([document.text])[0])
    ids = ids[: self.run.config.length]
    return ids, np.ones(len(ids), bool)
