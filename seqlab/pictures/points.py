"""Points of a plane."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqlab.pictures.figures import figure, legible, png


def scatter(x_N2: Any, label_N: Any = None) -> bytes:
  """Points of the plane, a colour for each class, as a PNG."""
  x_N2 = np.asarray(x_N2)
  if label_N is None:
    return groups({"": x_N2})
  label_N = np.asarray(label_N)
  return groups({str(label): x_N2[label_N == label] for label in np.unique(label_N)})


def groups(points: Mapping[str, Any]) -> bytes:
  """Groups of points of the plane, a colour for each, as a PNG."""
  with figure(5.6, 5.6) as drawn:
    plot = drawn.add_subplot()
    names = legible(list(points))
    for number, (name, x_N2) in enumerate(zip(names, points.values(), strict=True)):
      x_N2 = np.asarray(x_N2)
      plot.scatter(x_N2[:, 0], x_N2[:, 1], s=6, color=f"C{number % 10}", label=name)
    if 1 < len(points) <= 10:
      plot.legend(markerscale=3, fontsize="small")
    plot.set_aspect("equal", "datalim")
    return png(drawn)
