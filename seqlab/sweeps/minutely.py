"""How far a sweep is, in a line a minute, where nobody watches its status."""

import collections
import datetime
import pathlib
import time
from collections.abc import Callable

from seqlab import metrics
from seqlab.sweeps.states import STATES, UNDER_WAY, Listed, Sweep
from seqlab.sweeps.trials import Trial

MINUTE = 60.0  # seconds between lines


class Minutely:
  """Says once a minute how far a sweep is: trials by state, steps a second of all that train, and
  when the steps that are left would be done at that speed, if trials cost what they did so far;
  what is left of a search nobody knows.
  """

  def __init__(
    self,
    root: pathlib.Path,
    sweep: Sweep,
    now: Callable[[], float] = time.monotonic,
  ):
    self._root, self._sweep, self._now = root, sweep, now
    self._before = now(), self._steps()
    self._due = now() + MINUTE

  def look(self) -> None:
    """Says it, where it is due."""
    if (now := self._now()) < self._due:
      return
    self._due = now + MINUTE
    states = {trial: self._sweep.progress(trial).state for trial in self._sweep.trials}
    count = collections.Counter(states.values())
    parts = [f"{count[state]} {state}" for state in STATES if count[state]]
    began, before = self._before
    if (steps := self._steps()) > before:
      speed = (steps - before) / (now - began)
      parts.append(f"{speed:.3g} steps/s")
      if isinstance(self._sweep, Listed):
        unfinished = [trial for trial, state in states.items() if state in UNDER_WAY]
        left = sum(len(trial.runs()) * trial.steps() - self._of(trial) for trial in unfinished)
        parts.append(f"ETA {datetime.timedelta(seconds=round(left / speed))}")
    print(f"{self._root}: {', '.join(parts)}", flush=True)

  def _steps(self) -> int:
    return sum(map(self._of, self._sweep.trials))

  def _of(self, trial: Trial) -> int:
    """Steps that the runs of a trial have told of."""
    return sum(metrics.last_step(run.folder) for run in trial.runs())
