"""A document, and how a row of a table becomes one."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from seqlab.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Document:
  """One text. `id` decides its split and names it in errors; `label` is its class, if any."""

  id: str
  text: str
  label: str | int | None = None


def row_document(
  key: str, file: str, id: str, row: Mapping[str, Any], field: Any, label: str | None
) -> Document:
  """Takes text and label from a row; a column that is not there is the user's mistake and named."""
  fields = (field,) if isinstance(field, str) else tuple(field)
  for name in (*fields, label) if label is not None else fields:
    if name not in row:
      which = "label" if name == label else "field"
      raise UserError(
        f"{key}: {which}={name!r} is no column of {file}{nearest(str(name), row)}; "
        f"its columns: {', '.join(map(str, row))}"
      )
  values = [row[name] for name in fields if row[name] is not None]
  for value in values:
    if not isinstance(value, str):
      raise UserError(f"{key}: field={field!r} of {file} holds {value!r}, which is not text")
  category = None if label is None else row[label]
  if label is not None and not isinstance(category, str | int):
    raise UserError(
      f"{key}: label={label!r} of {id} is {category!r}; a name or a whole number is wanted"
    )
  whole = (
    "\n".join(values).encode("utf-8", "replace").decode()
  )  # JSON may hold half a surrogate pair
  return Document(id, whole, category)
