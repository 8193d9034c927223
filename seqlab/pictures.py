"""Pictures of a run: `pictures/NAME/STEP.png` in its folder, and the same in TensorBoard."""

import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqlab.errors import UserError

_LEAST = 560  # pixels of the wider side of a grid, about


def write(folder: pathlib.Path, step: int, pictures: Mapping[str, Any]) -> dict[str, bytes]:
  """Writes each picture as a PNG and returns the PNGs by name. A picture is a grid of images
  [rows, columns, Y, X, D] with values from 0 to 1, points (x [N, 2], classes [N] or None), or
  groups of points {name: x}.

  Raises:
    UserError: a file cannot be written.
  """
  drawn = {}
  for name, picture in pictures.items():
    if isinstance(picture, tuple):
      drawn[name] = scatter(*picture)
    elif isinstance(picture, dict):
      drawn[name] = groups(picture)
    elif np.ndim(picture) == 5:
      drawn[name] = grid(np.asarray(picture))
  for name, png in drawn.items():
    path = folder / "pictures" / name / f"{step:06d}.png"
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_bytes(png)
    except OSError as error:
      raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
  return drawn


def grid(images_RCYXD: np.ndarray) -> bytes:
  """The images in rows and columns with a line between, as a PNG; small ones are enlarged."""
  from PIL import Image

  rows, columns, height, width, depth = images_RCYXD.shape
  canvas = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, depth), 0.5)
  for row in range(rows):
    for column in range(columns):
      top, left = row * (height + 1) + 1, column * (width + 1) + 1
      canvas[top : top + height, left : left + width] = images_RCYXD[row, column]
  bits = np.clip(255 * canvas + 0.5, 0, 255).astype(np.uint8)
  bits = bits[..., 0] if depth == 1 else bits[..., :3]
  scale = max(1, round(_LEAST / max(bits.shape[:2])))
  return _png(Image.fromarray(bits.repeat(scale, 0).repeat(scale, 1)))


def scatter(x_N2: Any, label_N: Any = None) -> bytes:
  """Points of the plane, a colour for each class, as a PNG."""
  x_N2 = np.asarray(x_N2)
  if label_N is None:
    return groups({"": x_N2})
  label_N = np.asarray(label_N)
  return groups({str(label): x_N2[label_N == label] for label in np.unique(label_N)})


def groups(points: Mapping[str, Any]) -> bytes:
  """Groups of points of the plane, a colour for each, as a PNG."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(5.6, 5.6), layout="constrained")
  FigureCanvasAgg(figure)
  plot = figure.add_subplot()
  for number, (name, x_N2) in enumerate(points.items()):
    x_N2 = np.asarray(x_N2)
    plot.scatter(x_N2[:, 0], x_N2[:, 1], s=6, color=f"C{number % 10}", label=name)
  if 1 < len(points) <= 10:
    plot.legend(markerscale=3, fontsize="small")
  plot.set_aspect("equal", "datalim")
  out = io.BytesIO()
  figure.savefig(out, format="png", dpi=100)
  return out.getvalue()


def _png(image: Any) -> bytes:
  out = io.BytesIO()
  image.save(out, format="PNG")
  return out.getvalue()
