"""An adaptive search: its points are trials that are asked for one after another, by what came of
those before them. Like all else it is read off files, so any number of controllers may search.

WORKDIR/base.json            the config that points change
WORKDIR/asked/N.json         the Nth point: the trial's id and what it changes; written once
WORKDIR/runs/ID/goes_on/N    the trial is let go on from rung N; written once
"""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab import config as configs
from seqlab.errors import UserError
from seqlab.sweeps import files, trials
from seqlab.sweeps.halving import promotion
from seqlab.sweeps.made import Resolver
from seqlab.sweeps.rules import Rules, rules
from seqlab.sweeps.states import UNDER_WAY, Progress, progress
from seqlab.sweeps.suggest import Told, check, suggestion
from seqlab.sweeps.trials import Trial

BASE = "base.json"
DRAWS = 20  # points that were tried before, after which the space is taken to have no others


def begin(root: pathlib.Path, file: str, overrides: Sequence[str]) -> None:
  """Writes down the search of a config file, or finds that the one there is the same. Each choice
  and each end of a range is built once, so that what cannot be trained is told before any is.

  Raises:
    UserError: it cannot be searched so, or the folder has another sweep.
  """
  check()
  config = configs.load(file, overrides)
  found = rules(file, config)
  resolve = Resolver(file, overrides)
  for changes in found.ends():
    try:
      resolve(changes)
    except UserError as error:
      raise UserError(f"get_search(): {trials.named(changes)}: {error}") from None
  base = trials.address(config, "")  # what is not searched must not change either
  said = dict(config=file, overrides=list(overrides), base=base, search=dataclasses.asdict(found))
  trials.make(root, said, [])
  files.write_once(root / BASE, dict(configs.flat(config)))


class Search:
  """A sweep whose trials are asked for while it runs; as `states.Listed`."""

  def __init__(self, root: pathlib.Path, at_once: int):
    """at_once: how many trials are to be under way."""
    check()
    self.rules = Rules(**trials.about(root)["search"])
    self._root, self._at_once, self.whole = root, at_once, self.rules.trials
    self._resolve = Resolver(str(root / BASE))
    self._costs: dict[tuple[str, int], float] = {}  # that are known, by trial and step
    self._over: dict[str, Progress] = {}
    self._exhausted = False

  @property
  def trials(self) -> list[Trial]:
    """Those that were asked for so far."""
    return trials.read(self._root)

  def left(self) -> dict[Trial, Progress]:
    """How far those are that are under way; where they are fewer than should be, one is let go on,
    or a new one asked for, until there is nothing more to try.
    """
    while True:
      found = {trial: self._progress(trial) for trial in self.trials}
      under_way = {trial: now for trial, now in found.items() if now.state in UNDER_WAY}
      if len(under_way) >= self._at_once or not self._further(found, not under_way):
        return under_way

  def _further(self, found: Mapping[Trial, Progress], idle: bool) -> bool:
    """Lets one go on, or asks for a new one. Returns whether there may be more of either."""
    asked = trials.asked(self._root)
    costs = {trial: self._costs_of(trial, now) for trial, now in found.items()}
    level = {trial: trial.level() for trial in found}
    whole = self._exhausted or len(asked) >= self.rules.trials
    rungs = len(self.rules.rungs)
    if one := promotion(costs, level, rungs, self.rules.factor, idle and whole):
      one.let_go_on(level[one])
    elif not whole:
      self._ask(asked, {trial.id: of for trial, of in costs.items()})
    else:
      return False
    return True

  def _ask(self, asked: Sequence[dict[str, Any]], costs: Mapping[str, Sequence[float]]) -> None:
    """Asks for a new trial, or finds that the space has no more. Where another controller was
    quicker, that one's stands.
    """
    steps = [*self.rules.rungs, 1 + max(self.rules.rungs, default=0)]
    told = []
    for one in asked:
      of = costs.get(one["id"], [math.inf])  # it could not be built
      whole = len(of) == len(steps) and math.isfinite(of[-1])
      told.append(Told(one["changes"], dict(zip(steps, of, strict=False)), whole))
    number = len(asked) + 1
    for draw in range(DRAWS):
      changes = suggestion(self.rules, told, _seed(self.rules.seed, number, draw))
      if any(one["changes"] == changes for one in asked):
        continue
      try:
        id, config = self._resolve(changes)
      except UserError as error:
        print(f"{trials.named(changes)} cannot be trained: {error}", flush=True)
        return trials.ask(self._root, number, changes)
      if id not in costs:
        return trials.ask(self._root, number, changes, id, config)
    self._exhausted = True

  def _progress(self, trial: Trial) -> Progress:
    if trial.id in self._over:
      return self._over[trial.id]
    now = progress(trial)
    if now.result:
      self._over[trial.id] = now
    return now

  def _costs_of(self, trial: Trial, now: Progress) -> list[float]:
    """What a trial came to at each rung it got to, and at its end: the mean over its seeds."""
    found: list[float] = []
    for step in (*self.rules.rungs, trial.steps()):
      if (trial.id, step) not in self._costs:
        told = [run.at(step).get(f"valid/{self.rules.metric}") for run in trial.runs()]
        values = [value for value in told if value is not None]
        if len(values) < len(told):
          break
        self._costs[trial.id, step] = self.rules.cost(sum(values) / len(values))
      found.append(self._costs[trial.id, step])
    return found + [math.inf] * (now.state == "diverged")


def _seed(*numbers: Any) -> int:
  return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:4], "big")
