"""A document, how a row of a table becomes one, and what yields them."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seqlab.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Document:
  """One text. `id` decides its split and names it in errors; `label` is its class, if any; `source`
  is the text that this one is to be written from (a translation's original), if any.

  `words` are the text cut into pieces, each with the space before it where there is one, so that
  English words and Chinese characters have one form; `tags` go with them one by one.
  """

  id: str
  text: str
  label: str | int | float | None = None
  source: str | None = None
  words: tuple[str, ...] | None = None
  tags: tuple[str, ...] | None = None

  def __post_init__(self):
    if self.words is not None and "".join(self.words) != self.text:
      raise UserError(
        f"{self.id} has tags, and no step of config.data.clean may change its words; leave that out"
      )

  def texts(self) -> tuple[str, ...]:
    """Its texts in the order of the store: the source, if any, then the text."""
    return (self.text,) if self.source is None else (self.source, self.text)

  def pieces(self) -> tuple[str, ...]:
    """What is encoded one by one: the words where they have tags, else the texts."""
    return self.words if self.words is not None and self.tags is not None else self.texts()


@dataclasses.dataclass(frozen=True)
class Source:
  """Documents that can be read again and again, in the same order; `fingerprint` changes with any
  of them; `dropped` says how many of them each step of cleaning left out when they were last read.
  """

  fingerprint: str
  documents: Callable[[], Iterator[Document]]
  description: str = ""
  weight: float = 1.0
  origin: "Source | None" = None  # what it was before it was cleaned
  dropped: dict[str, int] = dataclasses.field(default_factory=dict)


def row_document(
  key: str,
  file: str,
  id: str,
  row: Mapping[str, Any],
  field: Any,
  label: str | None,
  source: Any = None,
) -> Document:
  """Takes text, label and source from a row; a column that is not there is the user's mistake and
  named.
  """
  fields, sources = ((x,) if isinstance(x, str) else tuple(x or ()) for x in (field, source))
  for which, names in dict(field=fields, label=(label,), source=sources).items():
    for name in names:
      if name is None or name in row:
        continue
      raise UserError(
        f"{key}: {which}={name!r} is no column of {file}{nearest(str(name), row)}; "
        f"its columns: {', '.join(map(str, row))}"
      )
  category = None if label is None else row[label]
  if label is not None and not isinstance(category, str | int | float):
    raise UserError(f"{key}: label={label!r} of {id} is {category!r}; a name or a number is wanted")
  text = _joined(f"{key}: field={field!r} of {file}", row, fields)
  original = _joined(f"{key}: source={source!r} of {file}", row, sources) if sources else None
  if original is not None and not (original.strip() and text.strip()):
    empty = "field" if original.strip() else "source"
    raise UserError(f"{key}: {id} has an empty {empty}; a pair needs both sides")
  return Document(id, text, category, original)


def _joined(what: str, row: Mapping[str, Any], names: tuple) -> str:
  values = [row[name] for name in names if row[name] is not None]
  for value in values:
    if not isinstance(value, str):
      raise UserError(f"{what} holds {value!r}, which is not text")
  # JSON may hold half a surrogate pair
  return "\n".join(values).encode("utf-8", "replace").decode()
