"""What a run's numbers did over its steps: one picture in its folder, from the metrics it keeps, so
that a resumed run is whole in it.
"""

import math
import os
import pathlib
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from seqlab import metrics
from seqlab.pictures import save
from seqlab.pictures.figures import figure, png

FILE = "curves.png"
_LEAST = 10  # lines of training that are worth a picture
_POINTS = 1000  # of a curve at most: beyond, each is the mean of some
_SHARE = 100  # of the time between two pictures that one may take

Curve = tuple[list[int], list[float]]


class Curves:
  """Draws `curves.png` of a run when it ends or is stopped, and before as often as that costs less
  than a hundredth of the time. A context manager.
  """

  def __init__(self, workdir: str | os.PathLike):
    self._folder, self._drawn, self._cost = pathlib.Path(workdir), time.monotonic(), 1.0

  def seldom(self) -> None:
    """Draws, where the last picture is old enough."""
    if time.monotonic() - self._drawn > _SHARE * self._cost:
      self.draw()

  def draw(self) -> None:
    """Draws what has been written so far, if that is ten lines of training or more.

    Raises:
      UserError: the picture cannot be written.
    """
    began, lines = time.monotonic(), metrics.read(self._folder)
    if sum(any(map(_is_training, line)) for line in lines) >= _LEAST:
      save(self._folder / FILE, curves(lines))
    self._drawn = time.monotonic()
    self._cost = self._drawn - began

  def __enter__(self) -> "Curves":
    return self

  def __exit__(self, kind: type | None, error: Any, trace: TracebackType | None) -> None:
    if kind is None:
      self.draw()


def curves(lines: Iterable[Mapping[str, Any]]) -> bytes:
  """The lines of `metrics.read` as a PNG: a panel for the loss, one for each other metric of the
  validation set, one for the learning rate; a curve for training, or for each player, and one for
  validation.
  """
  panels = grouped(lines)
  across = min(len(panels), 3)
  down = math.ceil(len(panels) / across)
  with figure(3.8 * across, 2.9 * down) as drawn:
    plots = list(drawn.subplots(down, across, squeeze=False).flat)
    for plot, (title, found) in zip(plots, panels.items(), strict=False):
      for label, (steps, values) in found.items():
        few = dict(marker=".") if len(steps) < 30 else {}
        plot.plot(*(_thinned(x) for x in (steps, values)), label=label, linewidth=1, **few)
      plot.set_title(title, fontsize=9)
      plot.tick_params(labelsize=7)
      if list(found) != ["training"]:
        plot.legend(fontsize=7)
    for plot in plots[len(panels) :]:
      plot.axis("off")
    return png(drawn)


def grouped(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
  """{metric: {whose: (steps, values)}}: the loss, what validation tells besides, the rate."""
  found: dict[str, dict[str, Curve]] = {"loss": {}}
  rate: dict[str, Curve] = {}
  told = []
  for line in lines:
    for name, value in line.items():
      whose, _, metric = name.rpartition("/")
      told.append((metric, whose or "training", line["step"], math.nan if value is None else value))
  validated = [metric for metric, whose, *_ in told if whose == "valid"]
  found |= {metric: {} for metric in validated}
  for metric, whose, step, value in told:
    panel = rate if metric == "lr" else found.get(metric)
    if panel is not None:
      steps, values = panel.setdefault(whose, ([], []))
      steps.append(step)
      values.append(value)
  return {**found, "learning rate": rate}


def _is_training(name: str) -> bool:
  return name.endswith("loss") and not name.startswith("valid/")


def _thinned(x: list) -> np.ndarray:
  values = np.asarray(x, float)
  if len(values) <= _POINTS:
    return values
  return np.array([part.mean() for part in np.array_split(values, _POINTS)])
