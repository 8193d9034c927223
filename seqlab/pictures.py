"""Pictures of a run, `pictures/NAME/STEP.png` in its folder and the same in TensorBoard, and of
what a command found.
"""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.errors import UserError

_LEAST = 560  # pixels of the wider side of a grid, about
# Fonts with Chinese characters, of which a machine may have one.
_WIDE = (
  *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"),
  *("WenQuanYi Zen Hei", "SimHei", "PingFang SC", "Microsoft YaHei", "Arial Unicode MS"),
)


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


def confusion(names: Sequence[str], counts_CC: np.ndarray) -> bytes:
  """A confusion matrix as a PNG: rows are the classes that were wanted, shaded by the share that
  went to each column. Classes are numbered from 0 where no font has the letters of their names.
  """
  from matplotlib import font_manager, rc_context
  from matplotlib.figure import Figure

  wide = [font for font in _WIDE if font in font_manager.get_font_names()]
  latin = all(ord(c) < 0x2000 for name in names for c in name)
  labels = list(names) if latin or wide else list(map(str, range(len(names))))
  labels = [label.replace("$", r"\$") for label in labels]  # else it would be mathematics
  share_CC = counts_CC / np.maximum(counts_CC.sum(1, keepdims=True), 1)
  size, out = max(3.0, 1.5 + 0.6 * len(names)), io.BytesIO()
  with rc_context({"font.sans-serif": ["DejaVu Sans", *wide]}):
    figure = Figure(figsize=(size, size), layout="constrained")
    plot = figure.subplots()
    plot.imshow(share_CC, cmap="Blues", vmin=0, vmax=1)
    plot.set_xticks(range(len(names)), labels, rotation=45, ha="right")
    plot.set_yticks(range(len(names)), labels)
    plot.set(xlabel="predicted", ylabel="label")
    if len(names) <= 30:  # beyond, numbers cover each other
      for (row, column), count in np.ndenumerate(counts_CC):
        color = "white" if share_CC[row, column] > 0.5 else "black"
        plot.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=8)
    figure.savefig(out, format="png", dpi=150)
  return out.getvalue()


def _png(image: Any) -> bytes:
  out = io.BytesIO()
  image.save(out, format="PNG")
  return out.getvalue()
