"""Tables of numbers as shades: what was taken for what, what attends to what."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqlab.pictures.figures import figure, legible, png

_LABELLED = 80  # tokens at most that are written beside a map


def confusion(names: Sequence[str], counts_CC: np.ndarray) -> bytes:
  """A confusion matrix as a PNG: rows are the classes that were wanted, shaded by the share that
  went to each column.
  """
  share_CC = counts_CC / np.maximum(counts_CC.sum(1, keepdims=True), 1)
  size, labels = max(3.0, 1.5 + 0.6 * len(names)), legible(names)
  with figure(size, size) as drawn:
    plot = drawn.subplots()
    plot.imshow(share_CC, cmap="Blues", vmin=0, vmax=1)
    plot.set_xticks(range(len(names)), labels, rotation=45, ha="right")
    plot.set_yticks(range(len(names)), labels)
    plot.set(xlabel="predicted", ylabel="label")
    if len(names) <= 30:  # beyond, numbers cover each other
      for (row, column), count in np.ndenumerate(counts_CC):
        color = "white" if share_CC[row, column] > 0.5 else "black"
        plot.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=8)
    return png(drawn, 150)


def attention(
  layers: Mapping[str, np.ndarray], rows: Sequence[str], columns: Sequence[str]
) -> bytes:
  """Weights from 0 to 1 as a PNG, in the manner of figure 3 of arXiv:1409.0473. Each of `layers`,
  [H, T, S], is a row of maps: the mean over its heads, where it has several, then each of them.
  T tokens in `rows` look at S in `columns`.
  """
  mapped = {}
  for name, w_HTS in layers.items():
    heads = [(f"{name}, head {head}", w_TS) for head, w_TS in enumerate(w_HTS)]
    mapped[name] = (
      [(f"{name}, mean", w_HTS.mean(0)), *heads] if len(heads) > 1 else [(name, w_HTS[0])]
    )
  across, down = max(map(len, mapped.values())), len(mapped)
  wide, high = (max(1.6, 0.19 * min(len(side), _LABELLED)) for side in (columns, rows))
  with figure(1 + across * wide, 1 + down * high) as drawn:
    plots = drawn.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for line, maps in zip(plots, mapped.values(), strict=True):
      for plot, (title, weight_TS) in zip(line, maps, strict=False):
        plot.imshow(weight_TS, cmap="gray", vmin=0, vmax=1, aspect="auto")
        plot.set_title(title, fontsize=8)
        plot.tick_params(labelsize=7)
        plot.tick_params("x", labelrotation=90)
      for plot in line[len(maps) :]:
        plot.axis("off")
    for axis, texts in (("x", columns), ("y", rows)):
      if len(texts) <= _LABELLED:  # the other maps share them
        getattr(plots[0, 0], f"set_{axis}ticks")(range(len(texts)), legible(texts))
    return png(drawn)
