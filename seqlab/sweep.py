"""`seqlab sweep`: trains what `get_sweep()` of a config file says, and loses nothing of it.

Whatever ends this command or a training, the same command goes on: it looks at what is there and
starts what is missing. Two of them on one sweep share the work.
"""

import os
import pathlib
import time
from collections.abc import Sequence

from rich.live import Live

from seqlab import alerts, table
from seqlab.errors import UserError
from seqlab.sweeps import launch, trials
from seqlab.sweeps import slurm as slurm_jobs
from seqlab.sweeps.declared import has
from seqlab.sweeps.report import report
from seqlab.sweeps.states import STATES, UNDER_WAY, Listed, Sweep, outcomes, progress
from seqlab.sweeps.trials import Run

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
  validation set, which is shown; "" for that of a search, else the loss.

  Raises:
    UserError: no sweep, another one, or a config that no trial could be trained with.
  """
  root = pathlib.Path(workdir)
  if action == "run":
    _begin(root, config, overrides)
  elif config or overrides:
    raise UserError(f"`seqlab sweep {action}` takes no --config: the sweep has what it began with")
  search = trials.about(root).get("search")
  metric = metric or (search["metric"] if search else "loss")
  marker = root / trials.CANCELLED
  if action == "status":
    return _status(root, watch, metric)
  if action == "report":
    return report(root, metric)
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
  sweep: Sweep
  if search:
    from seqlab.sweeps.search import Search

    root, cwd = root.absolute(), trials.about(root)["cwd"]
    try:
      os.chdir(cwd)  # from where files that its config names are found
    except OSError as error:
      raise UserError(
        f"--workdir={workdir}: the search began in {cwd}, from where its files are found; that "
        f"folder cannot be entered here ({error.strerror})"
      ) from None
    sweep = Search(root, jobs, everywhere=launcher == "slurm")
  else:
    sweep = Listed(trials.read(root))
  return launch.train(root, sweep, metric, jobs=jobs, launcher=launcher, slurm=slurm, stall=stall)


def _begin(root: pathlib.Path, config: str, overrides: Sequence[str]) -> None:
  """Writes a sweep down, or finds it there."""
  from seqlab.sweeps import made, search  # jax, which the other actions do without

  if not config:
    raise UserError(
      "--config=FILE is wanted: a Python file with get_config() and get_sweep() or get_search()"
    )
  if not has(config, "get_search"):
    about = dict(config=config, overrides=list(overrides))
    trials.make(root, about, made.made(config, overrides))
  elif has(config, "get_sweep"):
    raise UserError(f"--config={config}: the file has get_sweep() and get_search(); which of them?")
  else:
    search.begin(root, config, overrides)


def _status(root: pathlib.Path, watch: bool, metric: str) -> int:
  marker = root / trials.CANCELLED

  def shown() -> table.Table:
    found = {trial: (progress(trial), outcomes(trial)) for trial in trials.read(root)}
    queued = slurm_jobs.queued(root) or {}
    count = {state: sum(now.state == state for now, _ in found.values()) for state in STATES}
    said = [f"{n} {state}" for state, n in count.items() if n]
    said += ["cancelled"] * marker.exists()
    title = f"{root}: {', '.join(said) or 'nothing is asked for yet'}"
    rows = []
    for trial, (now, runs) in found.items():
      for one in runs:
        value = one.value(metric)
        waits = queued.get(trial.id, "") if now.state == "waiting" else ""
        rows.append((
          one.run.named, trial.id, one.state, f"{one.step:,}/{trial.steps():,}",
          "" if value is None else f"{value:.4f}", str(now.attempts),
          "; ".join(filter(None, (_alerts(one.run), now.note, waits))),
        ))  # fmt: skip
    heads = ("trial", "id", "state", "step", metric, "attempts", "")
    return table.made(title, heads, rows)

  if not watch:
    table.console().print(shown())
    return 0
  with Live(shown(), auto_refresh=False) as live:
    left = ("running",) if marker.exists() else UNDER_WAY
    while any(progress(trial).state in left for trial in trials.read(root)):
      time.sleep(EVERY)
      live.update(shown(), refresh=True)
  return 0


def _alerts(run: Run) -> str:
  """The alerts of a run in a line, '' where there are none."""
  return "; ".join(f"alert: {alert['text']}" for alert in alerts.read(run.folder))
