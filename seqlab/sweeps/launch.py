"""Who trains the trials of a sweep, and what is said while they train."""

import pathlib
import shlex

from seqlab.errors import UserError
from seqlab.exits import STOPPED
from seqlab.signals import signals
from seqlab.sweeps import trials
from seqlab.sweeps.minutely import Minutely
from seqlab.sweeps.pool import Pool
from seqlab.sweeps.slurm import Slurm
from seqlab.sweeps.states import OVER, Progress, Sweep, outcomes
from seqlab.sweeps.trials import Trial


def train(
  root: pathlib.Path,
  sweep: Sweep,
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

  def done() -> str:
    over = sum(sweep.progress(trial).state in OVER for trial in sweep.trials)
    return f"{over}/{sweep.whole}"

  how = f"{jobs} at a time" if launcher == "local" else "by Slurm"
  print(f"{root}: {done()} trials are done, {how}", flush=True)

  def ended(trial: Trial) -> None:
    print(f"{done()}  {trial.named}: {said(trial, sweep.progress(trial), metric)}", flush=True)

  minutely = Minutely(root, sweep)

  def asked() -> bool:
    minutely.look()
    return stopping() or (root / trials.CANCELLED).exists()

  with signals() as stopping:
    runner: Pool | Slurm = (
      Pool(root, sweep.left, jobs, stall, ended)
      if launcher == "local"
      else Slurm(root, sweep.left, slurm, stall, ended)
    )
    stopped = runner.run(asked)
  left = [trial for trial in sweep.trials if sweep.progress(trial).state not in OVER]
  if not left and not stopped:
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


def said(trial: Trial, now: Progress, metric: str) -> str:
  """How far a trial is, in a few words."""
  if now.state not in OVER:
    return f"{now.state}: {now.note}" if now.note else now.state
  state = f"paused at step {trial.until():,}" if now.state == "paused" else now.state
  values = [one.value(metric) for one in outcomes(trial)]
  told = [f"{value:.4f}" for value in values if value is not None]
  return f"{state}, {metric} {', '.join(told)}" if told else state
