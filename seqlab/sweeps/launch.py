"""Who trains the trials of a sweep, and what is said while they train."""

import collections
import datetime
import pathlib
import shlex
import time
from collections.abc import Callable, Sequence

from seqlab import metrics
from seqlab.errors import UserError
from seqlab.exits import STOPPED
from seqlab.signals import signals
from seqlab.sweeps.pool import Pool
from seqlab.sweeps.slurm import Slurm
from seqlab.sweeps.states import STATES, Progress, outcomes, progress
from seqlab.sweeps.trials import Trial

MINUTE = 60.0  # seconds between lines


def train(
  root: pathlib.Path,
  known: Sequence[Trial],
  metric: str,
  *,
  jobs: int,
  launcher: str,
  slurm: str,
  stall: float,
) -> int:
  """Has the trials of the sweep in a folder trained, and returns the exit code: 0 where every one
  is at its end, 1 where some failed too often, 75 where it was stopped.

  metric: of the validation set, which is said of each. jobs: trials at a time, of launcher "local".
  slurm: options of sbatch, of launcher "slurm". stall: as `seqlab attempt` has it.

  Raises:
    UserError: no trial gets as far as to begin, or there is no such launcher here.
  """
  if slurm and launcher != "slurm":
    raise UserError(f"--slurm={slurm}: these are options of --launcher=slurm")
  done = {trial.id for trial in known if trial.result() is not None}
  how = f"{jobs} at a time" if launcher == "local" else "by Slurm"
  print(f"{root}: {len(done)}/{len(known)} trials are done, {how}", flush=True)

  def ended(trial: Trial) -> None:
    now = progress(trial)
    done.update([trial.id] * (now.result is not None))
    print(f"{len(done)}/{len(known)}  {trial.named}: {said(trial, now, metric)}", flush=True)

  minutely = Minutely(known)

  def asked() -> bool:
    minutely.look()
    return stopping() or known[0].cancelled()

  with signals() as stopping:
    runner: Pool | Slurm = (
      Pool(known, jobs, stall, ended) if launcher == "local" else Slurm(known, slurm, stall, ended)
    )
    stopped = runner.run(asked)
  left = [trial for trial in known if trial.result() is None]
  if not left:
    print(f"done: seqlab sweep report --workdir={root}")
    return 0
  flags = f" --launcher=slurm --slurm={shlex.quote(slurm)}" if launcher == "slurm" else ""
  again = f"seqlab sweep resume --workdir={root}{flags}"
  if stopped:
    print(f"stopped with {len(left)} trials left; the same command or {again} goes on")
    return STOPPED
  print(
    f"{len(left)} failed: seqlab sweep status --workdir={root} says why, and once that is mended "
    f"{again} tries them again"
  )
  return 1


class Minutely:
  """Says once a minute how far a sweep is: trials by state, steps a second of all that train, and
  when the steps that are left would be done at that speed, if trials cost what they did so far.
  """

  def __init__(self, known: Sequence[Trial], now: Callable[[], float] = time.monotonic):
    self._known, self._now = known, now
    self._before = now(), self._steps()
    self._due = now() + MINUTE

  def look(self) -> None:
    """Says it, where it is due."""
    if (now := self._now()) < self._due:
      return
    self._due = now + MINUTE
    states = {trial: progress(trial).state for trial in self._known}
    count = collections.Counter(states.values())
    parts = [f"{count[state]} {state}" for state in STATES if count[state]]
    began, before = self._before
    if (steps := self._steps()) > before:
      speed = (steps - before) / (now - began)
      unfinished = [trial for trial, now in states.items() if now in ("running", "waiting")]
      left = sum(len(trial.runs()) * trial.steps() - self._of(trial) for trial in unfinished)
      eta = datetime.timedelta(seconds=round(left / speed))
      parts.append(f"{speed:.3g} steps/s, ETA {eta}")
    print(f"{self._known[0].root}: {', '.join(parts)}", flush=True)

  def _steps(self) -> int:
    return sum(map(self._of, self._known))

  def _of(self, trial: Trial) -> int:
    """Steps that the runs of a trial have told of."""
    return sum(metrics.last_step(run.folder) for run in trial.runs())


def said(trial: Trial, now: Progress, metric: str) -> str:
  """How far a trial is, in a few words."""
  if now.result is None:
    return f"{now.state}: {now.note}" if now.note else now.state
  values = [one.value(metric) for one in outcomes(trial)]
  told = [f"{value:.4f}" for value in values if value is not None]
  return f"{now.state}, {metric} {', '.join(told)}" if told else now.state
