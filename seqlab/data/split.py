"""Which document is for training, which for validation and which for a test: `config.data.valid`.

`hash(fraction=0.1, test=0.1)` decides by the hash of the document's id, so a corpus that grows or
comes in another version keeps its split, and the validation text is the same with a test split and
without. `tail(fraction=0.1)` keeps the last characters of the whole text
for validation, as nanoGPT does for a corpus that is one file. Any source, such as
`text(path='valid.txt')`, is used as given.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator

from seqlab.data.documents import Document
from seqlab.data.files import identify
from seqlab.data.sources import SOURCES, Source, build_sources
from seqlab.errors import UserError, nearest
from seqlab.spec import make, parse

SPLITS: tuple[str, ...] = ("train", "valid")


@dataclasses.dataclass(frozen=True)
class Split:
  """Reads a source as (split, document) pairs; `fingerprint` tells one way of splitting from
  another.
  """

  fingerprint: str
  pairs: Callable[[Source], Iterator[tuple[str, Document]]]
  rest: "Split | None" = None  # the split of a mixture's further sources, where that differs
  sources: tuple[Source, ...] = ()  # validation text of its own
  names: tuple[str, ...] = SPLITS

  def of_member(self, number: int) -> "Split":
    """The split of a mixture's source: validation text of its own belongs to the first source
    alone.
    """
    return self.rest if number and self.rest else self

  def documents(self, source: Source, split: str) -> Iterator[Document]:
    """The documents of one split, in the source's order; empty ones are left out."""
    return (d for name, d in self.pairs(source) if name == split and d.text)


def build_split(
  text: str,
  key: str = "config.data.valid",
  clean: Callable[[list[Source]], list[Source]] = list,
) -> Split:
  """Builds the split of a spec: `hash(...)`, `tail(...)`, or the sources of validation text, which
  `clean` cleans.
  """
  calls = parse(text, key)
  if is_rule(text, key):
    return make(calls[0], RULES, key, config_key=key)
  for call in calls:
    if call.name not in SOURCES:
      known = [*RULES, *SOURCES]
      raise UserError(
        f"{key}={text!r}: {call.name!r} cannot stand here{nearest(call.name, known)}; write "
        f"one rule ({', '.join(RULES)}) or sources ({', '.join(SOURCES)})"
      )
  return by_source(clean(build_sources(text, key)))


def is_rule(text: str, key: str = "config.data.valid") -> bool:
  """Whether a spec holds out some of the source, and does not name validation text."""
  calls = parse(text, key)
  return len(calls) == 1 and calls[0].name in RULES


def by_hash(config_key: str, fraction: float = 0.1, test: float = 0.0, fold: int = 0) -> Split:
  """A document is for validation where the hash of its id, read as a number in [0, 1), is below
  `fraction`, and for the test where it is in the next `test`; 0 for no test split. `fold` of a
  cross-validation begins `fold` times `test` (or `fraction`) further on, so that 1 / `test` folds
  have each document in the test split once.
  """
  _check(config_key, "hash", fraction)
  if fold < 0 or (fold and fold * (test or fraction) >= 1 - 1e-9):
    folds = f", of which there are {round(1 / (test or fraction))}" if test or fraction else ""
    raise UserError(f"{config_key}: fold={fold} of hash() must be 0 or more{folds}, counted from 0")
  if not (isinstance(test, int | float) and test >= 0 and fraction + test < 1):
    raise UserError(
      f"{config_key}: fraction={fraction} and test={test!r} of hash() must be 0 or more and leave "
      f"something for training"
    )

  def pairs(source: Source) -> Iterator[tuple[str, Document]]:
    for document in source.documents():
      digest = hashlib.sha256(f"split {document.id}".encode()).digest()
      place = (int.from_bytes(digest[:8]) / 2**64 - fold * (test or fraction)) % 1
      if place < fraction:
        yield "valid", document
      else:
        yield ("test" if place < fraction + test else "train"), document

  told = ("hash", fraction) + ((test,) if test or fold else ()) + ((fold,) if fold else ())
  return Split(identify(told), pairs, names=(*SPLITS, "test") if test else SPLITS)


def by_tail(config_key: str, fraction: float = 0.1) -> Split:
  """Training gets the first `int(characters * (1 - fraction))` characters; a document on the cut is
  cut.
  """
  _check(config_key, "tail", fraction)

  def pairs(source: Source) -> Iterator[tuple[str, Document]]:
    left = int(sum(len(d.text) for d in source.documents()) * (1 - fraction))
    for document in source.documents():
      if document.source is not None:
        raise UserError(
          f"{config_key}: tail() would cut a pair of texts; use hash(fraction={fraction})"
        )
      if document.words is not None:
        raise UserError(
          f"{config_key}: tail() would cut words from their tags; use hash(fraction={fraction})"
        )
      head, tail = document.text[:left], document.text[left:]
      left -= len(head)
      if head:
        yield "train", dataclasses.replace(document, text=head)
      if tail:
        yield "valid", dataclasses.replace(document, text=tail)

  return Split(identify(("tail", fraction)), pairs)


def by_source(valid: list[Source]) -> Split:
  """Every document of the source is for training; validation has text of its own."""

  def pairs(source: Source) -> Iterator[tuple[str, Document]]:
    for document in source.documents():
      yield "train", document
    for other in valid:
      for document in other.documents():
        yield "valid", document

  rest = by_source([]) if valid else None
  identity = identify(("source", [other.fingerprint for other in valid]))
  return Split(identity, pairs, rest, tuple(valid))


def _check(config_key: str, rule: str, fraction: object) -> None:
  if not isinstance(fraction, int | float) or not 0 <= fraction < 1:
    raise UserError(
      f"{config_key}: fraction={fraction!r} of {rule}() must be at least 0 and below 1"
    )


RULES: dict[str, Callable[..., Split]] = dict(hash=by_hash, tail=by_tail)
