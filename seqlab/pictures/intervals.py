"""Means with their intervals, one below another."""

from collections.abc import Mapping

from seqlab.pictures.figures import figure, legible, png


def intervals(
  rows: Mapping[str, tuple[float, float]], floors: Mapping[str, float], label: str
) -> bytes:
  """A PNG: of each name the mean and the half-width of its interval, in the order of `rows` from
  the top; floors as lines from top to bottom; `label` says what the numbers are.
  """
  with figure(7, 1 + 0.21 * len(rows)) as drawn:
    panel, places = drawn.subplots(), range(len(rows))
    means, halves = zip(*rows.values(), strict=True)
    panel.errorbar(means, places, xerr=halves, fmt="o", markersize=3, capsize=3, color="C0")
    for number, (name, value) in enumerate(floors.items()):
      panel.axvline(value, linestyle="--", color=f"C{number + 1}", label=name)
    panel.set_yticks(places, legible(list(rows)))
    panel.invert_yaxis()
    panel.set_xlabel(label)
    panel.grid(alpha=0.3)
    if floors:
      panel.legend(fontsize=8)
    return png(drawn)
