"""Where a generator takes the same noise from evaluation to evaluation."""

import io
import os
import pathlib
import zipfile
import zlib
from typing import Any

import numpy as np

from seqlab.pictures.figures import figure, png
from seqlab.pictures.images import grid

FILE = "course.npz"  # what was seen so far, beside the pictures
_COLUMNS, _KEPT = 12, 48


def course(folder: pathlib.Path, step: int, now_N: Any, around_M2: Any = None) -> bytes:
  """Draws what was seen up to this step: images [N, Y, X, D] as a row each, the steps from left to
  right, twelve of them at most; points [N, 2] as lines that end in a dot, over other points
  [M, 2]. The folder keeps what was seen, every second evaluation of it where that is much; what it
  has of this step or later ones, a run that was resumed has undone.

  Raises:
    OSError: the folder cannot be written.
  """
  now_N = np.asarray(now_N)
  before = _read(folder / FILE).items()
  seen = {s: x for s, x in before if s < step and x.shape == now_N.shape}
  if len(seen) >= _KEPT:
    seen = dict(list(seen.items())[::2])
  seen[step] = now_N
  folder.mkdir(parents=True, exist_ok=True)
  out, named = io.BytesIO(), {str(s): x for s, x in seen.items()}
  np.savez_compressed(out, allow_pickle=False, **named)
  whole = folder / f"{FILE}.{os.getpid()}.tmp"  # a kill in the middle of writing costs nothing
  whole.write_bytes(out.getvalue())
  os.replace(whole, folder / FILE)
  now_EN = np.stack(list(seen.values()))
  if now_EN.ndim == 5:
    return grid(now_EN[_some(len(now_EN))].swapaxes(0, 1))
  return _lines(now_EN, around_M2)


def _read(path: pathlib.Path) -> dict[int, np.ndarray]:
  try:
    with np.load(path) as kept:
      return {int(step): kept[step] for step in sorted(kept.files, key=int)}
  except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):  # none yet, or damaged
    return {}


def _some(count: int) -> np.ndarray:
  """At most twelve of so many steps, evenly, with the first and the last."""
  return np.unique(np.linspace(0, count - 1, min(count, _COLUMNS)).round().astype(int))


def _lines(now_EN2: np.ndarray, around_M2: Any) -> bytes:
  with figure(5.6, 5.6) as drawn:
    plot = drawn.add_subplot()
    if around_M2 is not None:
      plot.scatter(*np.asarray(around_M2).T, s=4, color="0.8")
    for number, line_E2 in enumerate(now_EN2.swapaxes(0, 1)):
      plot.plot(*line_E2.T, color=f"C{number % 10}", linewidth=0.7, alpha=0.6)
    plot.scatter(*now_EN2[-1].T, s=12, color="k", zorder=3)
    plot.set_aspect("equal", "datalim")
    return png(drawn)
