"""The run card: one page for a person of what was run, on what, by what command, to what result."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any


def write(workdir: str | os.PathLike, sections: Mapping[str, Any]) -> pathlib.Path:
  """Writes `workdir/card.md` from `{heading: text, list or dict}` and returns its path.

  Dicts become tables, those inside them dotted keys; what is None is left out.
  """
  path = pathlib.Path(workdir) / "card.md"
  temporary = path.with_suffix(".tmp")
  temporary.write_text(render(path.absolute().parent.name, sections), encoding="utf-8")
  os.replace(temporary, path)
  return path


def render(title: str, sections: Mapping[str, Any]) -> str:
  """Returns the card as Markdown."""
  parts = [f"# {title}"]
  for heading, content in sections.items():
    if content is None:
      continue
    parts.append(f"## {heading}")
    if isinstance(content, Mapping):
      rows = [f"| {key} | {_text(value)} |" for key, value in _flat(content)]
      parts.append("\n".join(["| | |", "|---|---|", *rows]))
    elif isinstance(content, list | tuple):
      parts.append("\n".join(f"- {_text(item)}" for item in content))
    else:
      parts.append(_text(content))
  return "\n\n".join(parts) + "\n"


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
  rows = []
  for key, value in content.items():
    if isinstance(value, Mapping):
      rows += _flat(value, f"{prefix}{key}.")
    elif value is not None:
      rows.append((f"{prefix}{key}", value))
  return rows


def _text(value: Any) -> str:
  if isinstance(value, bool):
    return "yes" if value else "no"
  if isinstance(value, int):
    return f"{value:,}"
  if isinstance(value, float):
    return f"{value:.6g}"
  return str(value).replace("|", "\\|").replace("\n", " ")
