"""Metrics on their way from the device to the file and the screen, read one dispatch late so that
nothing waits.
"""

import pathlib
import time
from typing import Any, NoReturn

import jax
import numpy as np

from seqlab.alerts import Alerts, Climb
from seqlab.metrics import Clock, Writer, read
from seqlab.progress import Progress

SKIPS = 100  # in a row, after which skipping is no way to go on
SILENT = 60.0  # seconds without a line after which one is shown, though none is due


class Diverged(Exception):
  """Training of the run in a folder cannot go on, with the step and the reason."""

  def __init__(self, folder: pathlib.Path, words: str):
    super().__init__(words)
    self.folder = folder


class Log:
  """Metrics of dispatches on the device until they are read, always one dispatch late."""

  def __init__(
    self,
    folder: pathlib.Path,
    writer: Writer,
    progress: Progress,
    clock: Clock,
    stop_nonfinite: bool,
    alerts: Alerts,
  ):
    self._folder, self._writer, self._progress, self._clock = folder, writer, progress, clock
    self._stop, self._skipped, self._alerts = stop_nonfinite, 0, alerts
    self._climb = Climb(line["loss"] for line in read(folder) if "loss" in line)
    self._waiting: list[tuple[int, Any]] = []
    self._shown = time.monotonic()

  def dispatched(self, step: int, metrics: Any, write: bool) -> None:
    """Notes a dispatch that ends at `step`; where a line is due, writes what came before it. Where
    steps are so slow that none was for a minute, shows it, and leaves it to be written when it is.
    """
    if write and self._waiting:
      self._write()
    elif self._waiting and time.monotonic() > self._shown + SILENT:
      self._show(self._waiting[-1][0], self._means(self._read()))
    self._waiting.append((step, metrics))

  def flush(self) -> None:
    """Reads everything, which waits for the device.

    Raises:
      Diverged: a loss, a gradient or an update was not finite, or too many steps were skipped.
    """
    if self._waiting:
      self._write()

  def evaluated(self, step: int, numbers: dict[str, float], warning: str = "") -> None:
    """Writes the numbers of the validation set, and shows what they warn of.

    Raises:
      Diverged: its loss is not finite.
    """
    self._writer.write(step, {f"valid/{k}": v for k, v in numbers.items()})
    self._progress.evaluated(step, numbers)
    if warning:
      self._progress.say(f"step {step}: {warning}")
    if not np.isfinite(numbers["loss"]):
      self._end(f"step {step}: the loss of the validation set is {numbers['loss']}")

  def _write(self) -> None:
    last, sums = self._waiting[-1][0], self._read()
    self._waiting = []
    self._watch(last, sums)
    numbers = self._means(sums)
    self._clock.tick(last)
    numbers |= self._clock.rates()
    self._writer.write(last, numbers)
    self._show(last, numbers)
    if "loss" in numbers and (far := self._climb.far(numbers["loss"])):
      now, best = far
      self._alerts.give("climbs", f"step {last}: the loss is {now:.4g}, and was {best:.4g}")

  def _read(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name, (totals, weights) of all steps that wait."""
    read = jax.device_get([metrics for _, metrics in self._waiting])
    return {
      name: (np.concatenate([m[name][0] for m in read]), np.concatenate([m[name][1] for m in read]))
      for name in read[0]
    }

  def _means(self, sums: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    return {name: float(t.sum() / w.sum()) if w.sum() else np.nan for name, (t, w) in sums.items()}

  def _show(self, step: int, numbers: dict[str, float]) -> None:
    self._progress.update(step, numbers)
    self._shown = time.monotonic()

  def _watch(self, last: int, sums: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for name, (totals, _) in sums.items():
      if self._stop and name.endswith(("loss", "_norm")) and not np.isfinite(totals).all():
        first = int(np.argmin(np.isfinite(totals)))
        at = last - len(totals) + first + 1
        self._end(f"step {at}: {name} is {totals[first]}")
      if name.endswith("skipped"):
        for skipped in totals:
          self._skipped = self._skipped + 1 if skipped else 0
        if self._skipped >= SKIPS:
          self._end(f"step {last}: {self._skipped} steps in a row were skipped")

  def _end(self, words: str) -> NoReturn:
    self._alerts.give("diverged", words, say=False)  # the trainer does
    raise Diverged(self._folder, words)
