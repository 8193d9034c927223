"""What a search tried: how each trial came along, and what each key did."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.pictures.figures import figure, legible, png

ACROSS = 3  # panels in a row


def search(
  tried: Sequence[tuple[Mapping[str, Any], Sequence[tuple[int, float]]]],
  space: Mapping[str, Mapping[str, Any]],
  metric: str,
) -> bytes:
  """A PNG: the curves of all trials, and of each key of the space its values against what came of
  them. Trials that trained longer are darker, the best, which is the first, is red.

  tried: of each trial the value of each key and its (step, metric). space: of each key the `kind`
    of its values, and `values` where they are a choice.
  """
  from matplotlib.ticker import MaxNLocator, NullFormatter

  rows = -(-(1 + len(space)) // ACROSS)
  longest = max(curve[-1][0] for _, curve in tried)
  shades = [0.15 + 0.85 * curve[-1][0] / longest for _, curve in tried]
  with figure(3.6 * ACROSS, 3.0 * rows) as drawn:
    panels = list(drawn.subplots(rows, ACROSS, squeeze=False).flat)
    for number, (_, curve) in reversed(list(enumerate(tried))):
      steps, values = zip(*curve, strict=True)
      color, width = ("C3", 2.0) if number == 0 else ("black", 1.0)
      panels[0].plot(steps, values, color=color, alpha=shades[number], linewidth=width, marker=".")
    panels[0].set_xlabel("steps")
    panels[0].set_ylabel(metric)
    for panel, (key, axis) in zip(panels[1:], space.items(), strict=False):
      x = [changes[key] for changes, _ in tried]
      if axis["kind"] == "choice":
        x = [axis["values"].index(value) for value in x]
        names = legible([str(value) for value in axis["values"]])
        panel.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
      elif axis["kind"] == "log_uniform":
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter(NullFormatter())  # two decades of them would overlap
      elif axis["kind"] == "integer":
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
      y = [curve[-1][1] for _, curve in tried]
      panel.scatter(x, y, color="black", alpha=shades, linewidths=0)
      panel.scatter(x[:1], y[:1], color="C3")
      panel.set_xlabel(key)
    for panel in panels[1 + len(space) :]:
      panel.remove()
    for panel in panels[: 1 + len(space)]:
      panel.grid(alpha=0.3)
    return png(drawn)
