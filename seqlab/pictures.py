"""Pictures of results, drawn by matplotlib, which is imported only then."""

import pathlib
from collections.abc import Sequence

import numpy as np

# Fonts with Chinese characters, of which a machine may have one.
_WIDE = (
  *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"),
  *("WenQuanYi Zen Hei", "SimHei", "PingFang SC", "Microsoft YaHei", "Arial Unicode MS"),
)


def confusion_picture(path: pathlib.Path, names: Sequence[str], counts_CC: np.ndarray) -> None:
  """Draws a confusion matrix: rows are the classes that were wanted, shaded by the share that went
  to each column. Classes are numbered from 0 where no font has the letters of their names.
  """
  from matplotlib import font_manager, rc_context
  from matplotlib.figure import Figure

  wide = [font for font in _WIDE if font in font_manager.get_font_names()]
  latin = all(ord(c) < 0x2000 for name in names for c in name)
  labels = list(names) if latin or wide else list(map(str, range(len(names))))
  labels = [label.replace("$", r"\$") for label in labels]  # else it would be mathematics
  share_CC = counts_CC / np.maximum(counts_CC.sum(1, keepdims=True), 1)
  size = max(3.0, 1.5 + 0.6 * len(names))
  with rc_context({"font.sans-serif": ["DejaVu Sans", *wide]}):
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share_CC, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), labels)
    axes.set(xlabel="predicted", ylabel="label")
    if len(names) <= 30:  # beyond, numbers cover each other
      for (row, column), count in np.ndenumerate(counts_CC):
        color = "white" if share_CC[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=8)
    figure.savefig(path, dpi=150)
