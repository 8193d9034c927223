"""What a search asked for so far: WORKDIR/asked/N.json, each written once."""

import pathlib
from collections.abc import Mapping
from typing import Any

from seqlab.sweeps import files


def asked(root: pathlib.Path) -> list[dict[str, Any]]:
  """The points in order: what each `changes` and the `id` of its trial, "" where it could not be
  trained.
  """
  found: list[dict[str, Any]] = []
  while one := files.read(_path(root, len(found) + 1)):
    found.append(one)
  return found


def ask(root: pathlib.Path, number: int, changes: Mapping[str, Any], id: str = "") -> None:
  """Writes down the point of this number, if none is there."""
  files.write_once(_path(root, number), dict(id=id, changes=dict(changes)))


def _path(root: pathlib.Path, number: int) -> pathlib.Path:
  return root / "asked" / f"{number:04}.json"
