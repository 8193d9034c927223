"""What a trained model says of documents: classes of texts, or tags of words.

A predictor knows what its objective reads of a document, what a line of results holds, and which
scores there are. `lines` is the same for all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import numpy as np

from seqlab import axes, build
from seqlab.data.documents import Document
from seqlab.data.tags import allowed, cut, in_scheme, tagged_document
from seqlab.errors import UserError
from seqlab.evaluate import rows_on
from seqlab.objectives.classification import Classification
from seqlab.objectives.tagging import Tagging
from seqlab.scores.bootstrap import Score
from seqlab.scores.classification import class_scores, confusion
from seqlab.scores.spans import tag_scores
from seqlab.trained import Trained

Line = dict[str, Any]

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
    found = dict(self._outputs(documents))
    return [self.line(document, found[i]) for i, document in enumerate(documents)]

  def read(self, document: Document) -> Document:
    """The document as the objective sees it, its names checked."""
    if not document.text.strip():
      raise UserError(f"{document.id}: is empty; a text is wanted")
    for name in self.right(document) or ():
      if name not in self.names:
        raise UserError(
          f"{document.id}: unknown {self.of} {name!r}; known are {', '.join(self.names)}"
        )
    return document

  def right(self, document: Document) -> Sequence[str] | None:
    """The names that the document itself gives, None where it gives none."""
    raise NotImplementedError

  def encode(self, document: Document) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of a row, as in training, and which of them count."""
    raise NotImplementedError

  def line(self, document: Document, output: np.ndarray) -> Line:
    raise NotImplementedError

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    """From 0 to 100, of chosen lines, in all of which it is known what is right."""
    raise NotImplementedError

  def show(self, line: Line) -> str:
    raise NotImplementedError

  def _outputs(self, documents: Sequence[Document]) -> Iterator[tuple[int, np.ndarray]]:
    """The output for each document, at the tokens that count where it has one for each token.
    Documents of like length go together.
    """
    encoded = [self.encode(document) for document in documents]
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


class Classes(Predictor):
  found = ("predicted", "probabilities")
  of = "label"

  def right(self, document: Document) -> Sequence[str] | None:
    return None if document.label is None else (str(document.label),)

  def encode(self, document: Document) -> tuple[np.ndarray, np.ndarray]:
    tokenizer = self.run.learned.tokenizer
    ids = np.append(tokenizer.eot, tokenizer.encode_batch([document.text])[0])
    ids = ids[: self.run.config.length]
    return ids, np.ones(len(ids), bool)

  def line(self, document: Document, output: np.ndarray) -> Line:
    (label,) = self.right(document) or (None,)
    shares = np.round(output.astype(float), 6).tolist()
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
    shares = sorted(line["probabilities"].items(), key=lambda pair: -pair[1])
    return "\n".join([line["text"], *(f"  {share:.4f}  {name}" for name, share in shares)])

  def _numbers(self, lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    wanted, given = (
      np.array([self.names.index(line[key]) for line in lines]) for key in ("label", "predicted")
    )
    return wanted, given


class Tags(Predictor):
  of = "tag"

  def __init__(self, run: Trained, objective: Tagging):
    super().__init__(run, objective)
    scheme = allowed(self.names)
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

  def encode(self, document: Document) -> tuple[np.ndarray, np.ndarray]:
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

  def line(self, document: Document, output: np.ndarray) -> Line:
    _, told = self.encode(document)
    return dict(
      words=[word.strip() for word in document.words or ()],
      tags=None if document.tags is None else list(document.tags),
      predicted=[self.names[tag] for tag in output[: len(told)][told]],
    )

  def scores(self, lines: Sequence[Line]) -> dict[str, Score]:
    given, wanted = ([line[key] for line in lines] for key in ("predicted", "tags"))
    return tag_scores(given, wanted, all(map(in_scheme, self.names)))

  def show(self, line: Line) -> str:
    return "".join(
      f"{word} {tag}\n" for word, tag in zip(line["words"], line["predicted"], strict=True)
    )


def predictor(run: Trained) -> Predictor:
  """That of the run's objective.

  Raises:
    UserError: it has none.
  """
  if isinstance(run.objective, Classification):
    return Classes(run, run.objective)
  if isinstance(run.objective, Tagging):
    return Tags(run, run.objective)
  raise UserError(
    f"--workdir={run.folder}: config.objective={run.config.objective!r} predicts no classes and no "
    f"tags; see `seqlab sample` and `seqlab generate`"
  )
