"""Metrics on their way from the device to the file and the screen, read one dispatch late so that
nothing waits.
"""

import pathlib
from typing import Any

import jax
import numpy as np

from seqlab.metrics import Clock, Writer
from seqlab.progress import Progress

SKIPS = 100  # in a row, after which skipping is no way to go on


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
  ):
    self._folder, self._writer, self._progress, self._clock = folder, writer, progress, clock
    self._stop, self._skipped = stop_nonfinite, 0
    self._waiting: list[tuple[int, Any]] = []

  def dispatched(self, step: int, metrics: Any, write: bool) -> None:
    """Notes a dispatch that ends at `step`; where a line is due, writes what came before it."""
    if write and self._waiting:
      self._write()
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
      raise Diverged(
        self._folder, f"step {step}: the loss of the validation set is {numbers['loss']}"
      )

  def _write(self) -> None:
    last = self._waiting[-1][0]
    read = jax.device_get([metrics for _, metrics in self._waiting])
    self._waiting = []
    sums = {
      name: (np.concatenate([m[name][0] for m in read]), np.concatenate([m[name][1] for m in read]))
      for name in read[0]
    }
    self._watch(last, sums)
    numbers = {
      name: float(t.sum() / w.sum()) if w.sum() else np.nan for name, (t, w) in sums.items()
    }
    self._clock.tick(last)
    numbers |= self._clock.rates()
    self._writer.write(last, numbers)
    self._progress.update(last, numbers)

  def _watch(self, last: int, sums: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for name, (totals, _) in sums.items():
      if self._stop and name.endswith(("loss", "_norm")) and not np.isfinite(totals).all():
        first = int(np.argmin(np.isfinite(totals)))
        at = last - len(totals) + first + 1
        raise Diverged(self._folder, f"step {at}: {name} is {totals[first]}")
      if name.endswith("skipped"):
        for skipped in totals:
          self._skipped = self._skipped + 1 if skipped else 0
        if self._skipped >= SKIPS:
          raise Diverged(self._folder, f"step {last}: {self._skipped} steps in a row were skipped")
