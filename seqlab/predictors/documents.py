"""Readers of texts, whole or word by word."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import jax
import numpy as np

from seqlab import axes, build
from seqlab.data.documents import Document
from seqlab.data.tags import cut, tagged_document
from seqlab.errors import UserError
from seqlab.evaluate import rows_on
from seqlab.predictors.base import Line
from seqlab.texts import alike, cleaned
from seqlab.trained import Trained, documents_of

Encoded = tuple[np.ndarray, np.ndarray]

_ROWS = 64


class Texts:
  """Texts of which one thing is said, cut as in training."""

  noun: ClassVar[str] = "texts"

  def __init__(self, run: Trained):
    self.run = run

  def given(self, texts: Sequence[str], sources: Sequence[str]) -> list[Document]:
    ids = [f"--text={one[:40]!r}" for one in texts]
    if sources and not self.run.learned.pairs:
      raise UserError(f"--source={sources[0]!r}: this run reads a text alone; give --text")
    if sources and len(sources) != len(texts):
      raise UserError(f"{len(texts)} --text and {len(sources)} --source: one for each is wanted")
    texts, before = cleaned(self.run, texts), cleaned(self.run, sources)
    return [
      Document(id, text, source=before[i] if before else None)
      for i, (id, text) in enumerate(zip(ids, texts, strict=True))
    ]

  def chosen(self, split: str, data: str) -> list[Document]:
    # a text of nothing is trained on and evaluated, but there is nothing to say of it
    return [d for d in documents_of(self.run, split, data) if d.text.strip()]

  def read(self, document: Document) -> Document:
    if not all(text.strip() for text in document.texts()):
      raise UserError(f"{document.id}: is empty; a text is wanted")
    if (document.source is not None) != self.run.learned.pairs:
      alone, both = "a text alone", "a text with a source (source='…', or --source)"
      wanted, given = (both, alone) if self.run.learned.pairs else (alone, both)
      raise UserError(f"{document.id}: is {given}; this run reads {wanted}")
    return document

  def id(self, document: Document) -> str:
    return document.id

  def asked(self, document: Document) -> Line:
    pair = {} if document.source is None else dict(source=document.source)
    return dict(**pair, text=document.text)

  def label(self, document: Document) -> str | None:
    return None if document.label is None else str(document.label)

  def encode(self, document: Document) -> Encoded:
    """The tokens of a row, as in training, and which of them count."""
    tokenizer = self.run.learned.tokenizer
    texts = tokenizer.encode_batch(document.texts())
    ids = np.concatenate([np.append(tokenizer.eot, one) for one in texts])
    ids = ids[: self.run.config.length]
    return ids, np.ones(len(ids), bool)

  def outputs(
    self, predict: Callable, documents: Sequence[Document]
  ) -> Iterator[tuple[int, np.ndarray]]:
    """Those of like length go together."""
    encoded = [self.encode(document) for document in documents]
    mesh, call = self.run.mesh, jax.jit(predict)
    with axes.use_mesh(mesh, build.table(self.run.config)):
      for here, (rows, columns) in alike([len(ids) for ids, _ in encoded], _ROWS):
        shape = rows_on(mesh, rows), columns
        tokens_BT = np.full(shape, self.run.learned.tokenizer.pad, np.int32)
        pos_BT, weight_BT = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for row, i in enumerate(here):
          ids, told = encoded[i]
          tokens_BT[row, : len(ids)], weight_BT[row, : len(ids)] = ids, told
          pos_BT[row, : len(ids)] = np.arange(len(ids))
        begun_BT = np.cumsum(tokens_BT == self.run.learned.tokenizer.eot, 1)  # texts, so far
        types_BT = np.where(pos_BT > 0, begun_BT - 1, 0).astype(np.int32)
        batch = dict(tokens_BT=tokens_BT, pos_BT=pos_BT, weight_BT=weight_BT, types_BT=types_BT)
        output = jax.device_get(call(self.run.params, axes.put_batch(batch, mesh)))
        for row, i in enumerate(here):
          yield i, self.kept(output[row], encoded[i][1])

  def kept(self, output: np.ndarray, told: np.ndarray) -> np.ndarray:
    """What a row of the output says, `told` being what `encode` gave."""
    return output


class Words(Texts):
  """Texts of whose words something is said, each at its first token."""

  def read(self, document: Document) -> Document:
    """Cut into words, where its source has not done so."""
    between = self.run.learned.between or ""
    if document.words is None and document.source is None:
      words = cut(document.text, between)
      document = tagged_document(document.id, words, None, between)
    return super().read(document)

  def asked(self, document: Document) -> Line:
    return dict(words=[word.strip() for word in document.words or ()])

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

  def kept(self, output: np.ndarray, told: np.ndarray) -> np.ndarray:
    return output[: len(told)][told]
