"""What came of a sweep: report.csv, a row for each run; TensorBoard's HParams; means over seeds, or
of a search its trials by rank, with a picture.
"""

import csv
import dataclasses
import pathlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seqlab import table
from seqlab.errors import UserError
from seqlab.pictures.search import search as drawn
from seqlab.scores.seeds import student
from seqlab.sweeps import hparams, trials
from seqlab.sweeps.launch import said
from seqlab.sweeps.space import Rules
from seqlab.sweeps.states import OVER, Outcome, Progress, outcomes, progress
from seqlab.sweeps.trials import Trial

SHOWN = 20  # trials of a search

Runs = Sequence[tuple[Trial, Outcome]]


def report(root: pathlib.Path, metric: str) -> int:
  """Writes and prints what is known of a sweep; what has no number is named.

  metric: of the validation set.

  Raises:
    UserError: the runs have no such number.
  """
  known = trials.read(root)
  hparams.write(known, known)
  runs = [(trial, one) for trial in known for one in outcomes(trial)]
  now = {trial: progress(trial) for trial in known}
  measured = sorted(
    {name for trial, one in runs if now[trial].state in OVER for name in one.numbers}
  )
  if measured and f"valid/{metric}" not in measured:
    names = ", ".join(name.removeprefix("valid/") for name in measured)
    raise UserError(f"--metric={metric}: the trials have none; they have {names}")
  _write(root / "report.csv", runs, now, measured)
  about, pictured = trials.about(root), False
  if about.get("search"):
    pictured = _ranked(root, about, known, now, metric)
  else:
    done = [one for _, one in runs if one.state == "done"]
    rows = [row[1:] for row in sorted(means(done, metric))]
    table.show(f"{root}, validation {metric} over seeds", ("", metric, "95%", "seeds"), rows)
  for trial, one in runs:
    if one.state not in ("done", "paused"):
      print(f"not in it: {one.run.named}: {said(trial, now[trial], metric)}")
  print(f"written: {root / 'report.csv'}" + ", search.png" * pictured)
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


def _write(
  path: pathlib.Path, runs: Runs, now: Mapping[Trial, Progress], measured: Sequence[str]
) -> None:
  changed = list(dict.fromkeys(key for _, one in runs for key in one.run.changes))
  with open(path, "w", newline="") as file:
    write = csv.writer(file).writerow
    write(["id", *changed, "state", "step", "attempts", *measured])
    for trial, one in runs:
      numbers = one.numbers if now[trial].state in OVER else {}
      write([
        trial.id, *(one.run.changes.get(key, "") for key in changed), one.state, one.step,
        now[trial].attempts, *(numbers.get(name, "") for name in measured),
      ])  # fmt: skip


def _ranked(
  root: pathlib.Path,
  about: Mapping[str, Any],
  known: Sequence[Trial],
  now: Mapping[Trial, Progress],
  metric: str,
) -> bool:
  """The trials of a search: those that trained longest first, of them the best. Returns whether
  there are any, and a picture of them.
  """
  rules = dataclasses.replace(Rules(**about["search"]), metric=metric)
  found = []
  for trial in known:
    curve = list(trial.curve(metric).items())
    if curve and now[trial].state in ("done", "paused"):
      found.append((trial, *curve[-1], curve))
  found.sort(key=lambda one: (-one[1], rules.cost(one[2])))
  rows = [
    (str(place), trial.named, f"{step:,}", f"{value:.4f}")
    for place, (trial, step, value, _) in enumerate(found[:SHOWN], 1)
  ]
  heads = ("", f"the best of {len(found)}", "steps", metric)
  table.show(f"{root}, validation {metric}", heads, rows)
  if not found:
    return False
  best = found[0][0]
  flags = [*about["overrides"], *(f"{key}={value}" for key, value in best.changes.items())]
  command = shlex.join(
    ["seqlab", "train", f"--config={about['config']}", *(f"--config.{flag}" for flag in flags)]
  )
  print(f"the best: {command} --workdir=…")
  points = [(dict(trial.changes), curve) for trial, _, _, curve in found]
  (root / "search.png").write_bytes(drawn(points, rules.space, metric))
  return True
