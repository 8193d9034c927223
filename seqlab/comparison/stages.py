"""What a comparison trains: rates are tuned, on a seed of their own; then each architecture is run
at its best rate over the seeds, and the first one again on text in which nothing is to be learned.

Each stage is a sweep in a folder of WORKDIR, so it is watched, stopped and taken up as one.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.comparison.plan import Architecture, Plan, together
from seqlab.errors import UserError
from seqlab.sweeps import made, trials
from seqlab.sweeps.declared import Changes
from seqlab.sweeps.states import Outcome, outcomes
from seqlab.sweeps.trials import Trial

Runs = Sequence[tuple[str, Changes]]  # architectures by name, with what a program of theirs changes


def tuning(plan: Plan) -> Runs:
  """Every rate of every architecture, on a seed that is not compared; nothing where there is one
  rate.
  """
  if len(plan.lrs) == 1:
    return []
  at = dict(seed=plan.tuning_seed)
  return [
    (one.name, {**one.changes, **at, **rates})
    for one in plan.architectures
    for rates in ([dict(lrs=tuple(plan.lrs))] if together(one) else _each("lr", plan.lrs))
  ]


def runs(plan: Plan, best: Mapping[str, float]) -> Runs:
  """Every seed of every architecture at its best rate."""
  return [
    (one.name, {**one.changes, "lr": best[one.name], **seeds})
    for one in plan.architectures
    for seeds in _seeds(plan, one)
  ]


def control(plan: Plan, best: Mapping[str, float]) -> Runs:
  """The first architecture on texts whose characters are shuffled; nothing where it is no language
  model.
  """
  one = plan.first
  if not one.config.objective.startswith("language_model"):
    return []
  clean = " | ".join([one.config.data.clean] * bool(one.config.data.clean) + ["shuffled()"])
  changes = {**one.changes, "lr": best[one.name], "data.clean": clean}
  return [(one.name, changes | seeds) for seeds in _seeds(plan, one)]


@dataclasses.dataclass(frozen=True)
class Stage:
  """The trials of a stage, and whose each is by its id."""

  root: pathlib.Path
  trials: Sequence[Trial]
  names: Mapping[str, str]

  def outcomes(self) -> dict[str, list[Outcome]]:
    """What came of the runs of each architecture, in the order of their seeds."""
    found: dict[str, list[Outcome]] = {name: [] for name in self.names.values()}
    for trial in self.trials:
      found[self.names[trial.id]] += outcomes(trial)
    return found

  def cached(self) -> tuple[int, int]:
    """(how many of its runs are at their end, how many there are)."""
    count = {trial.id: len(trial.runs()) for trial in self.trials}
    return sum(count[one.id] for one in self.trials if one.result()), sum(count.values())


def stage(root: pathlib.Path, plan: Plan, runs: Runs) -> Stage:
  """A stage, its trials checked and written down, or found again.

  Raises:
    UserError: one that could not be trained, two that are the same, or the folder has others.
  """
  if not runs:
    return Stage(root, [], {})
  checked = made.checked(plan.file, plan.overrides, [changes for _, changes in runs])
  names: dict[str, str] = {}
  for name, changes in runs:
    ids = [id for id, kept, _ in checked if kept is changes]
    if not ids:
      raise UserError(f"{name}: get_architectures() has it twice, by another name")
    names[ids[0]] = name
  about = dict(config=plan.file, overrides=list(plan.overrides))
  return Stage(root, trials.make(root, about, checked), names)


def rates(plan: Plan, tuned: Stage) -> dict[str, dict[float, float]]:
  """What each rate of each architecture came to in the tuning, {} without one; infinite, on the
  side that is worse, where it diverged.
  """
  worst = math.inf if plan.lower else -math.inf
  found: dict[str, dict[float, float]] = {}
  for name, ended in tuned.outcomes().items():
    found[name] = {}
    for one in sorted(ended, key=lambda one: one.run.changes["lr"]):
      value = one.value(plan.metric) if one.state == "done" else None
      found[name][one.run.changes["lr"]] = worst if value is None else value
  return found


def best(plan: Plan, tuned: Mapping[str, Mapping[float, float]]) -> dict[str, float]:
  """The rate of each architecture."""
  if not tuned:
    return {one.name: plan.lrs[0] for one in plan.architectures}
  choose = min if plan.lower else max
  return {name: choose(values, key=values.__getitem__) for name, values in tuned.items()}


def _seeds(plan: Plan, one: Architecture) -> list[dict[str, Any]]:
  if together(one):
    return [dict(seed=plan.seed, seeds=plan.seeds)]
  return _each("seed", range(plan.seed, plan.seed + plan.seeds))


def _each(key: str, values: Sequence[Any]) -> list[dict[str, Any]]:
  return [{key: value} for value in values]
