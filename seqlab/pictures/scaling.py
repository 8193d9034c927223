"""Losses against FLOPs with the laws that were fitted to them."""

from collections.abc import Callable, Mapping

import numpy as np

from seqlab.pictures.figures import figure, legible, png


def laws(curves: Mapping[str, tuple[np.ndarray, np.ndarray, Callable[[float], float]]]) -> bytes:
  """A PNG: of each name its runs, (FLOPs, losses), and its law, a loss of FLOPs."""
  with figure(7, 4) as drawn:
    panel = drawn.subplots()
    for number, (name, (flops_P, loss_P, law)) in enumerate(
      zip(legible(list(curves)), curves.values(), strict=True)
    ):
      panel.plot(flops_P, loss_P, "o", color=f"C{number % 10}", markersize=4, label=name)
      x = np.geomspace(flops_P.min(), flops_P.max(), 100)
      panel.plot(x, [law(at) for at in x], color=f"C{number % 10}", linewidth=1)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("training FLOPs")
    panel.set_ylabel("validation loss")
    panel.grid(alpha=0.3, which="both")
    panel.legend(fontsize=8)
    return png(drawn)
