"""From the spec `config.data.clean` to sources of clean documents: steps in order, between a source
and its split.

A pipeline owes the rest: ids, labels and the other side of a pair stay with their text, so the
split and the classes are those of the source; a document of which a side becomes empty is left out;
a fingerprint changes with every step and argument, and no step leaves a source as it was.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from seqlab.data.cleaning import CLEANERS
from seqlab.data.cleaning.base import Step, Turn
from seqlab.data.documents import Document, Source
from seqlab.data.files import identify
from seqlab.spec import Call, check, make, parse

VERSION = 1  # to be raised where a step's output changes: stores are then prepared anew
# Arguments that came later: at these values a pipeline is what it was without them.
_LATER = {("words", "hyphens"): "inside"}
EMPTY = "no text"  # under this name stand the documents that had none before the first step


@dataclasses.dataclass(frozen=True)
class Pipeline:
  """Steps with the calls they were written as."""

  calls: tuple[Call, ...]
  steps: tuple[Step, ...]
  fingerprint: str

  def text(self, text: str) -> str:
    """A text that is given to a trained run: it goes through the steps from text to text alone."""
    for step in self.steps:
      text = step.text(text) if step.text else text
    return text

  @property
  def text_spec(self) -> str:
    """The spec of the steps from text to text, in order."""
    paired = zip(self.calls, self.steps, strict=True)
    return " | ".join(str(call) for call, step in paired if step.text)

  def sources(self, sources: Sequence[Source], before: Sequence[Source] = ()) -> list[Source]:
    """The sources, cleaned. Where a step remembers, `before` and the sources that stand in front
    are read first: of two documents that are the same, the earlier stays.
    """
    if not self.steps:
      return list(sources)
    remembers = any(step.remembers for step in self.steps)
    originals = [source.origin or source for source in before]
    return [
      self._source(source, [*originals, *sources[:number]] if remembers else [])
      for number, source in enumerate(sources)
    ]

  def trace(self, source: Source) -> Iterator[tuple[Document, list[Document], str]]:
    """Each document of a source, read apart from others, with those that take its place, and with
    the step that left it out where none does.
    """
    dropped: dict[str, int] = {}
    turn = self._begin(dropped)
    for document in source.documents():
      before = dict(dropped)
      after = list(turn(document))
      counted = [name for name, count in dropped.items() if count != before.get(name)]
      yield document, after, "" if after or not counted else counted[-1]

  def _source(self, source: Source, before: Sequence[Source]) -> Source:
    identity = (source.fingerprint, self.fingerprint, *(other.fingerprint for other in before))
    dropped: dict[str, int] = {}

    def documents() -> Iterator[Document]:
      turn = self._begin(dropped)
      for other in before:
        for document in other.documents():
          for _ in turn(document):
            pass
      dropped.clear()
      for document in source.documents():
        yield from turn(document)

    return dataclasses.replace(
      source,
      fingerprint=identify(("clean", identity)),
      documents=documents,
      origin=source,
      dropped=dropped,
    )

  def _begin(self, dropped: dict[str, int]) -> Turn:
    """One reading: what turns a document into those that take its place, and counts by step those
    that nothing takes the place of.
    """
    turns = [(str(call), begin(step)) for call, step in zip(self.calls, self.steps, strict=True)]

    def turn(document: Document) -> list[Document]:
      if _empty(document):
        dropped[EMPTY] = dropped.get(EMPTY, 0) + 1
        return []
      here = [document]
      for name, one in turns:
        left = [[new for new in one(each) if not _empty(new)] for each in here]
        if gone := sum(not some for some in left):
          dropped[name] = dropped.get(name, 0) + gone
        here = [new for some in left for new in some]
      return here

    return turn


def build_pipeline(text: str, key: str = "config.data.clean") -> Pipeline:
  """The pipeline of a spec such as `"lower() | words()"`; of no steps where it is empty.

  Raises:
    UserError: an unknown step or argument, or a package that a step needs and is not there.
  """
  calls = tuple(parse(text, key)) if text.strip() else ()
  steps = tuple(make(call, CLEANERS, key, config_key=key) for call in calls)
  told = [_identity(call, step, key) for call, step in zip(calls, steps, strict=True)]
  return Pipeline(calls, steps, identify((VERSION, told)))


def begin(step: Step) -> Turn:
  """The step at the start of a reading, as what it does to one document."""
  if step.begin:
    return step.begin()
  clean = step.text
  assert clean is not None, "a step has one of the two"

  def turn(document: Document) -> tuple[Document]:
    source = None if document.source is None else clean(document.source)
    return (dataclasses.replace(document, text=clean(document.text), source=source),)

  return turn


def _identity(call: Call, step: Step, key: str) -> tuple[str, dict[str, Any]]:
  """A call with the arguments that it leaves to their defaults, so that these may change."""
  bound = inspect.signature(CLEANERS[call.name]).bind(
    config_key="", **check(call, CLEANERS, key, ("config_key",))
  )
  bound.apply_defaults()
  told = bound.arguments.items()
  given = {name: x for name, x in told if _LATER.get((call.name, name)) != x}
  return call.name, given | (dict(version=step.version) if step.version > 1 else {})


def _empty(document: Document) -> bool:
  return not all(text.strip() for text in document.texts())
