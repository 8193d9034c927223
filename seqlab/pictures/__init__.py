"""Pictures of a run, `pictures/NAME/STEP.png` in its folder and the same in TensorBoard, and of
what a command found.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqlab.errors import UserError
from seqlab.pictures.course import course
from seqlab.pictures.images import grid as grid
from seqlab.pictures.points import groups as groups
from seqlab.pictures.points import scatter as scatter
from seqlab.pictures.tables import attention as attention
from seqlab.pictures.tables import confusion as confusion


def write(folder: pathlib.Path, step: int, pictures: Mapping[str, Any]) -> dict[str, bytes]:
  """Writes each picture as a PNG and returns the PNGs by name. A picture is a grid of images
  [rows, columns, Y, X, D] with values from 0 to 1, points (x [N, 2], classes [N] or None), groups
  of points {name: x}, or where noise has gone (`now`, what `course` takes).

  Raises:
    UserError: a file cannot be written.
  """
  drawn = {}
  for name, picture in pictures.items():
    if hasattr(picture, "now"):
      try:
        drawn[name] = course(folder / "pictures" / name, step, *picture)
      except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error})") from None
    elif isinstance(picture, tuple):
      drawn[name] = scatter(*picture)
    elif isinstance(picture, dict):
      drawn[name] = groups(picture)
    elif np.ndim(picture) == 5:
      drawn[name] = grid(np.asarray(picture))
  for name, png in drawn.items():
    save(folder / "pictures" / name / f"{step:06d}.png", png)
  return drawn


def save(path: pathlib.Path, png: bytes) -> None:
  """Writes a PNG, and the folders above it.

  Raises:
    UserError: it cannot be written.
  """
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
  except OSError as error:
    raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
