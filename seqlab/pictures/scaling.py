"""Losses against FLOPs with the laws that were fitted to them, and against sizes at equal FLOPs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from seqlab.pictures.figures import figure, legible, png


@dataclasses.dataclass(frozen=True)
class Curve:
  """Runs of equal FLOPs, by size; law: a loss of sizes, None where there is none."""

  flops: float
  size_S: np.ndarray
  loss_S: np.ndarray
  law: Callable[[float], float] | None


@dataclasses.dataclass(frozen=True)
class Drawn:
  """The runs of a law, with which of them it was fitted to; law: a loss of FLOPs."""

  flops_P: np.ndarray
  loss_P: np.ndarray
  best_P: np.ndarray
  law: Callable[[float], float]
  curves: Sequence[Curve]


def scaling(groups: Mapping[str, Drawn]) -> bytes:
  """A PNG: of each name its runs, those that no cheaper one beats filled, and the law; beside it,
  where sizes were varied at equal FLOPs, a curve for each budget, darker with more FLOPs.
  """
  from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

  curved = any(drawn.curves for drawn in groups.values())
  with figure(7 + 5 * curved, 4) as canvas:
    panels = canvas.subplots(1, 1 + curved, squeeze=False)[0]
    for number, (name, drawn) in enumerate(
      zip(legible(list(groups)), groups.values(), strict=True)
    ):
      color = f"C{number % 10}"
      flops_B, loss_B = drawn.flops_P[drawn.best_P], drawn.loss_P[drawn.best_P]
      panels[0].plot(drawn.flops_P, drawn.loss_P, "o", color=color, markersize=4, fillstyle="none")
      panels[0].plot(flops_B, loss_B, "o", color=color, markersize=4, label=name)
      x = np.geomspace(flops_B.min(), flops_B.max(), 100)
      panels[0].plot(x, [drawn.law(at) for at in x], color=color, linewidth=1)
      for rank, curve in enumerate(drawn.curves):
        shade = dict(color=color, alpha=0.4 + 0.6 * (rank + 1) / len(drawn.curves))
        said = f"{name}, " * (len(groups) > 1) + f"{curve.flops:.2g} FLOPs"
        panels[1].plot(curve.size_S, curve.loss_S, "o", markersize=4, label=said, **shade)
        x = np.geomspace(curve.size_S.min(), curve.size_S.max(), 100)
        if curve.law:
          panels[1].plot(x, [curve.law(at) for at in x], linewidth=1, **shade)
    for panel, label in zip(panels, ("training FLOPs", "parameters"), strict=False):
      panel.set_xscale("log")
      panel.set_yscale("log")
      panel.set_xlabel(label)
      panel.set_ylabel("validation loss")
      panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
      panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
      panel.xaxis.set_minor_formatter(NullFormatter())
      for of in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
        of(StrMethodFormatter("{x:g}"))  # losses seldom span a decade
      panel.grid(alpha=0.3, which="both")
      panel.legend(fontsize=8)
    return png(canvas)
