"""`seqlab sweep`: trains what `get_sweep()` of a config file says, and loses nothing of it.

Whatever ends this command or a training, the same command goes on: it looks at what is there and
starts what is missing. Two of them on one sweep share the work.
"""

import csv
import pathlib
import time
from collections.abc import Iterator, Sequence

from rich.live import Live

from seqlab import table
from seqlab.errors import UserError
from seqlab.exits import STOPPED
from seqlab.scores.seeds import student
from seqlab.signals import signals
from seqlab.sweeps import trials
from seqlab.sweeps.pool import Pool
from seqlab.sweeps.trials import STATES, Trial, progress

EVERY = 2.0  # seconds between looks of `status --watch`


def run(
  action: str,
  workdir: str,
  config: str,
  overrides: Sequence[str],
  jobs: int,
  stall: float,
  watch: bool,
  metric: str,
) -> int:
  """Does something with the sweep in WORKDIR and returns the exit code: of `run` and `resume` 0
  where every trial is at its end, 1 where some failed too often, 75 where it was stopped.

  config, overrides: of `run`: its file, and what is changed for all trials. jobs: trials at a time.
  stall: as `seqlab attempt` has it. watch: show the status again and again. metric: of the
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
  return _train(root, known, jobs, stall, metric)


def _train(root: pathlib.Path, known: Sequence[Trial], jobs: int, stall: float, metric: str) -> int:
  done = {trial.id for trial in known if trial.result() is not None}
  print(f"{root}: {len(done)}/{len(known)} trials are done, {jobs} at a time", flush=True)

  def ended(trial: Trial) -> None:
    now = progress(trial)
    done.update([trial.id] * (now.result is not None))
    print(f"{len(done)}/{len(known)}  {trial.named}: {_said(now, metric)}", flush=True)

  with signals() as stopping:
    pool = Pool(known, jobs, stall, ended)
    stopped = pool.run(lambda: stopping() or known[0].cancelled())
  left = [trial for trial in known if trial.result() is None]
  if not left:
    print(f"done: seqlab sweep report --workdir={root}")
    return 0
  if stopped:
    print(f"stopped with {len(left)} trials left; seqlab sweep resume --workdir={root} goes on")
    return STOPPED
  print(
    f"{len(left)} failed: seqlab sweep status --workdir={root} says why, and once that is mended "
    f"seqlab sweep resume tries them again"
  )
  return 1


def _said(now: trials.Progress, metric: str) -> str:
  if now.result is None:
    return f"{now.state}: {now.note}" if now.note else now.state
  value = now.result["numbers"].get(f"valid/{metric}")
  return now.state if value is None else f"{now.state}, {metric} {value:.4f}"


def _status(root: pathlib.Path, known: Sequence[Trial], watch: bool, metric: str) -> int:
  def shown() -> table.Table:
    states = [progress(trial) for trial in known]
    count = {state: sum(one.state == state for one in states) for state in STATES}
    said = [f"{n} {state}" for state, n in count.items() if n]
    title = f"{root}: {', '.join(said + ['cancelled'] * known[0].cancelled())}"
    rows = []
    for trial, now in zip(known, states, strict=True):
      step, numbers = trial.told()
      value = numbers.get(f"valid/{metric}")
      rows.append((
        trial.named, trial.id, now.state, f"{step:,}/{trial.steps():,}",
        "" if value is None else f"{value:.4f}", str(now.attempts), now.note,
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
  changed = list(dict.fromkeys(key for trial in known for key in trial.changes))
  results = {trial.id: progress(trial) for trial in known}
  measured = sorted(
    {name for now in results.values() if now.result for name in now.result["numbers"]}
  )
  path = root / "report.csv"
  with open(path, "w", newline="") as file:
    write = csv.writer(file).writerow
    write(["id", *changed, "state", "step", "attempts", *measured])
    for trial in known:
      now = results[trial.id]
      numbers = now.result["numbers"] if now.result else {}
      write([
        trial.id, *(trial.changes.get(key, "") for key in changed), now.state, trial.told()[0],
        now.attempts, *(numbers.get(name, "") for name in measured),
      ])  # fmt: skip
  if measured and f"valid/{metric}" not in measured:
    names = ", ".join(name.removeprefix("valid/") for name in measured)
    raise UserError(f"--metric={metric}: the trials have none; they have {names}")
  rows = sorted(means(known, metric))
  heads = ("", metric, "95%", "seeds")
  table.show(f"{root}, validation {metric} over seeds", heads, [row[1:] for row in rows])
  for trial in known:
    now = results[trial.id]
    if now.state != "done":
      print(f"not in it: {trial.named}: {_said(now, metric)}")
  print(f"written: {path}")
  return 0


def means(known: Sequence[Trial], metric: str) -> Iterator[tuple[float, str, str, str, str]]:
  """(mean, name, mean, interval, seeds) of trials that differ in their seeds alone."""
  values: dict[str, list[float]] = {}
  for trial in known:
    now = progress(trial)
    value = now.result["numbers"].get(f"valid/{metric}") if now.result else None
    if now.state == "done" and value is not None:
      others = {key: x for key, x in trial.changes.items() if key != "seed"}
      values.setdefault(" ".join(f"{k}={x}" for k, x in others.items()), []).append(value)
  for name, found in values.items():
    mean, half = student(found) if len(found) > 1 else (found[0], None)
    yield mean, name, f"{mean:.4f}", "" if half is None else f"± {half:.4f}", str(len(found))
