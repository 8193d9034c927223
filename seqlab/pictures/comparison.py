"""Pictures of a comparison, as SVG that takes on the colours of the page that it stands in."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.pictures.figures import figure, legible

NOTHING = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # is said of who drew it
Points = Sequence[tuple[float, float]]


def courses(curves: Mapping[str, Sequence[Points]], across: str, up: str) -> str:
  """Of each name the mean over its seeds, in a band from the least to the most of them."""
  with figure(7.2, 4.0) as drawn:
    panel = drawn.subplots()
    for number, (name, seeds) in enumerate(
      zip(legible(list(curves)), curves.values(), strict=True)
    ):
      shortest = min(map(len, seeds), default=0)
      if not shortest:
        continue
      x = [at for at, _ in seeds[0][:shortest]]
      values = np.array([[value for _, value in seed[:shortest]] for seed in seeds])
      panel.plot(x, values.mean(0), label=name, linewidth=1.5, **_line(number))
      panel.fill_between(x, values.min(0), values.max(0), color=f"C{number}", alpha=0.2, lw=0)
    return _labelled(drawn, panel, across, up)


def places(points: Mapping[str, tuple[float, float, float]], across: str, up: str) -> str:
  """Of each name a point with its interval: (x, mean, half-width)."""
  with figure(7.2, 4.0) as drawn:
    panel = drawn.subplots()
    for number, (name, (x, mean, half)) in enumerate(
      zip(legible(list(points)), points.values(), strict=True)
    ):
      error = None if math.isnan(half) else half
      panel.errorbar(x, mean, yerr=error, fmt="o", color=f"C{number}", capsize=3, label=name)
    panel.set_xscale("log")
    return _labelled(drawn, panel, across, up)


def rates(tuned: Mapping[str, Mapping[float, float]], up: str) -> str:
  """What each rate came to; the best of each name is marked."""
  with figure(7.2, 4.0) as drawn:
    panel = drawn.subplots()
    for number, (name, values) in enumerate(zip(legible(list(tuned)), tuned.values(), strict=True)):
      known = {rate: value for rate, value in values.items() if math.isfinite(value)}
      panel.plot(list(known), list(known.values()), marker="o", label=name, **_line(number))
    panel.set_xscale("log")
    return _labelled(drawn, panel, "learning rate", up)


def _labelled(drawn: Any, panel: Any, across: str, up: str) -> str:
  from matplotlib import rc_context

  panel.set_xlabel(across)
  panel.set_ylabel(up)
  panel.grid(alpha=0.25)
  panel.spines[["top", "right"]].set_visible(False)
  panel.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
  out = io.StringIO()
  with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"{across} {up}"}):
    drawn.savefig(out, format="svg", transparent=True, metadata=NOTHING)
  svg = out.getvalue()
  bare = re.sub(r'<g id="[^"]*"', "<g", svg[svg.index("<svg") :])  # several share a page's ids
  return bare.replace(": #000000", ": currentColor")


def _line(number: int) -> dict[str, str]:
  """How the line of a name is drawn: in one of ten colours, then dashed."""
  return dict(color=f"C{number % 10}", linestyle=("-", "--", ":", "-.")[number // 10 % 4])
