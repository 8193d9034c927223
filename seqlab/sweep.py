"""`seqlab sweep`: trains what `get_sweep()` of a config file says, and loses nothing of it.

Whatever ends this command or a training, the same command goes on: it looks at what is there and
starts what is missing. Two of them on one sweep share the work.
"""

import csv
import pathlib
import time
from collections.abc import Iterable, Iterator, Sequence

from rich.live import Live

from seqlab import table
from seqlab.errors import UserError
from seqlab.scores.seeds import student
from seqlab.sweeps import launch, trials
from seqlab.sweeps import slurm as slurm_jobs
from seqlab.sweeps.launch import said
from seqlab.sweeps.states import STATES, Outcome, outcomes, progress
from seqlab.sweeps.trials import Trial

EVERY = 2.0  # seconds between looks of `status --watch`


def run(
  action: str,
  workdir: str,
  config: str,
  overrides: Sequence[str],
  jobs: int,
  launcher: str,
  slurm: str,
  stall: float,
  watch: bool,
  metric: str,
) -> int:
  """Does something with the sweep in WORKDIR and returns the exit code: of `run` and `resume` 0
  where every trial is at its end, 1 where some failed too often, 75 where it was stopped.

  config, overrides: of `run`: its file, and what is changed for all trials. jobs, launcher, slurm,
  stall: as `launch.train` has them. watch: show the status again and again. metric: of the
  validation set, which is shown.

  Raises:
    UserError: no sweep, another one, or a config that no trial could be trained with.
  """
  root = pathlib.Path(workdir)
  if action == "run":
    from seqlab.sweeps.made import made  # jax, which the other actions do without

    about = dict(config=config, overrides=list(overrides))
    known = trials.make(root, about, made(config, overrides))
  elif config or overrides:
    raise UserError(f"`seqlab sweep {action}` takes no --config: the sweep has what it began with")
  else:
    known = trials.read(root)
  marker = root / trials.CANCELLED
  if action == "status":
    return _status(root, known, watch, metric)
  if action == "report":
    return _report(root, known, metric)
  if action == "cancel":
    marker.touch()
    slurm_jobs.cancel(root)
    print(
      f"cancelled; what runs saves and stops. To take it up: seqlab sweep resume --workdir={root}"
    )
    return 0
  if action == "resume":
    marker.unlink(missing_ok=True)
    (root / trials.RESUMED).touch()
  elif marker.exists():
    raise UserError(
      f"--workdir={root}: this sweep was cancelled; `seqlab sweep resume` takes it up"
    )
  return launch.train(root, known, metric, jobs=jobs, launcher=launcher, slurm=slurm, stall=stall)


def _status(root: pathlib.Path, known: Sequence[Trial], watch: bool, metric: str) -> int:
  def shown() -> table.Table:
    found = {trial: (progress(trial), outcomes(trial)) for trial in known}
    queued = slurm_jobs.queued(root) or {}
    count = {state: sum(now.state == state for now, _ in found.values()) for state in STATES}
    said = [f"{n} {state}" for state, n in count.items() if n]
    title = f"{root}: {', '.join(said + ['cancelled'] * known[0].cancelled())}"
    rows = []
    for trial, (now, runs) in found.items():
      for one in runs:
        value = one.value(metric)
        waits = queued.get(trial.id, "") if now.state == "waiting" else ""
        rows.append((
          one.run.named, trial.id, one.state, f"{one.step:,}/{trial.steps():,}",
          "" if value is None else f"{value:.4f}", str(now.attempts),
          "; ".join(filter(None, (now.note, waits))),
        ))  # fmt: skip
    heads = ("trial", "id", "state", "step", metric, "attempts", "")
    return table.made(title, heads, rows)

  if not watch:
    table.console().print(shown())
    return 0
  with Live(shown(), auto_refresh=False) as live:
    left = ("running",) if known[0].cancelled() else ("running", "waiting")
    while any(progress(trial).state in left for trial in known):
      time.sleep(EVERY)
      live.update(shown(), refresh=True)
  return 0


def _report(root: pathlib.Path, known: Sequence[Trial], metric: str) -> int:
  """Writes report.csv, a row for each trial, and prints means over seeds; what has no number is
  named.
  """
  found = {trial: outcomes(trial) for trial in known}
  runs = [(trial, one) for trial, ones in found.items() for one in ones]
  changed = list(dict.fromkeys(key for _, one in runs for key in one.run.changes))
  now = {trial: progress(trial) for trial in known}
  measured = sorted({name for trial, one in runs if now[trial].result for name in one.numbers})
  path = root / "report.csv"
  with open(path, "w", newline="") as file:
    write = csv.writer(file).writerow
    write(["id", *changed, "state", "step", "attempts", *measured])
    for trial, one in runs:
      numbers = one.numbers if now[trial].result else {}
      write([
        trial.id, *(one.run.changes.get(key, "") for key in changed), one.state, one.step,
        now[trial].attempts, *(numbers.get(name, "") for name in measured),
      ])  # fmt: skip
  if measured and f"valid/{metric}" not in measured:
    names = ", ".join(name.removeprefix("valid/") for name in measured)
    raise UserError(f"--metric={metric}: the trials have none; they have {names}")
  done = [one for _, one in runs if one.state == "done"]
  rows = sorted(means(done, metric))
  heads = ("", metric, "95%", "seeds")
  table.show(f"{root}, validation {metric} over seeds", heads, [row[1:] for row in rows])
  for trial, one in runs:
    if one.state != "done":
      print(f"not in it: {one.run.named}: {said(trial, now[trial], metric)}")
  print(f"written: {path}")
  return 0


def means(done: Iterable[Outcome], metric: str) -> Iterator[tuple[float, str, str, str, str]]:
  """(mean, name, mean, interval, seeds) of runs that differ in their seeds alone."""
  values: dict[str, list[float]] = {}
  for one in done:
    value = one.value(metric)
    if value is not None:
      others = {key: x for key, x in one.run.changes.items() if key != "seed"}
      values.setdefault(trials.named(others), []).append(value)
  for name, found in values.items():
    mean, half = student(found) if len(found) > 1 else (found[0], None)
    yield mean, name, f"{mean:.4f}", "" if half is None else f"± {half:.4f}", str(len(found))
