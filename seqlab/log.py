"""Metrics on their way from the device to the file and the screen, read one dispatch late so that
nothing waits.
"""

from typing import Any

import jax
import numpy as np

from seqlab.metrics import Clock, Writer
from seqlab.progress import Progress


class Diverged(Exception):
  """A loss or gradient that is not finite, with the step it was seen at."""


class Log:
  """Metrics of dispatches on the device until they are read, always one dispatch late."""

  def __init__(
    self, writer: Writer, progress: Progress, clock: Clock, schedule: Any, stop_nonfinite: bool
  ):
    self._writer, self._progress, self._clock = writer, progress, clock
    self._schedule, self._stop = schedule, stop_nonfinite
    self._waiting: list[tuple[int, Any]] = []

  def dispatched(self, step: int, metrics: Any, write: bool) -> None:
    """Notes a dispatch; where a line is due, writes what was dispatched before it."""
    if write and self._waiting:
      self._write()
    self._waiting.append((step, metrics))

  def flush(self) -> None:
    """Reads everything, which waits for the device."""
    if self._waiting:
      self._write()

  def evaluated(self, step: int, numbers: dict[str, float]) -> None:
    self._writer.write(step, {f"valid/{k}": v for k, v in numbers.items()})
    self._progress.evaluated(step, numbers)

  def _write(self) -> None:
    last = self._waiting[-1][0]
    read = jax.device_get([metrics for _, metrics in self._waiting])
    self._waiting = []
    sums = {
      name: (np.concatenate([m[name][0] for m in read]), np.concatenate([m[name][1] for m in read]))
      for name in read[0]
    }
    for name, (totals, _) in sums.items():
      if self._stop and name.endswith(("loss", "grad_norm")) and not np.isfinite(totals).all():
        first = int(np.argmin(np.isfinite(totals)))
        raise Diverged(f"step {last - len(totals) + first + 1}: {name} is {totals[first]}")
    numbers = {name: float(t.sum() / max(w.sum(), 1e-9)) for name, (t, w) in sums.items()}
    self._clock.tick(last)
    numbers |= {"lr": float(self._schedule(last - 1)), **self._clock.rates()}
    self._writer.write(last, numbers)
    self._progress.update(last, numbers)
