"""An adaptive search: its points are trials that are asked for one after another, by what came of
those before them. Like all else it is read off files, so any number of controllers may search.

WORKDIR/configs/BASE.json    the config that points change, of which the manifest has the id
WORKDIR/asked/N.json         the Nth point: `points`
WORKDIR/runs/ID/goes_on/N    the trial is let go on from rung N; written once
"""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab import config as configs
from seqlab.errors import UserError
from seqlab.sweeps import points, trials
from seqlab.sweeps.attempts import attempts
from seqlab.sweeps.declared import Changes
from seqlab.sweeps.halving import promotion
from seqlab.sweeps.made import Resolver
from seqlab.sweeps.rules import rules
from seqlab.sweeps.space import Rules
from seqlab.sweeps.states import OVER, UNDER_WAY, Progress, Sweep
from seqlab.sweeps.suggest import Told, check, suggestion
from seqlab.sweeps.trials import Trial

DRAWS = 20  # of points that were tried before, after which another is looked for one by one
READS = ("data.", "init.")  # beginnings of keys that name files


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
  # Before the manifest, as what has one is taken up.
  trials.write(root, Trial(root, base, {}).config, dict(configs.flat(config)))
  trials.make(root, said, [])


class Search(Sweep):
  """A sweep whose trials are asked for while it runs."""

  def __init__(self, root: pathlib.Path, at_once: int, everywhere: bool = False):
    """at_once: how many trials are to be under way, of those that wait or that this machine trains;
    of all, if `everywhere`.

    Raises:
      UserError: Optuna is not there, or what trials read.
    """
    check()
    about = trials.about(root)
    self.rules = Rules(**about["search"])
    super().__init__(self.rules.trials)
    self._root, self._at_once, self._everywhere = root, at_once, everywhere
    self._resolve = Resolver(str(Trial(root, about["base"], {}).config))
    ends = list(self.rules.ends())  # what was there as it began must not be blamed on a point
    for changes in [of for of in ends if min(of).startswith(READS)] or ends[:1]:
      self._resolve(changes)
    self._costs: dict[str, list[float]] = {}  # that are known, by trial
    self._exhausted = False

  @property
  def trials(self) -> Sequence[Trial]:
    return trials.read(self._root)

  def left(self) -> dict[Trial, Progress]:
    """How far those are that are under way; where they are fewer than should be, one is let go on,
    or a new one asked for, until there is nothing more to try.
    """
    while True:
      found = {trial: self.progress(trial) for trial in self.trials}
      under_way = {trial: now for trial, now in found.items() if now.state in UNDER_WAY}
      ours = [
        trial for trial, now in under_way.items()
        if self._everywhere or now.state == "waiting" or attempts(trial.folder)[-1].here()
      ]  # fmt: skip
      if len(ours) >= self._at_once or not self._further(found, not under_way):
        return under_way

  def _further(self, found: Mapping[Trial, Progress], idle: bool) -> bool:
    """Lets one go on, or asks for a new one. Returns whether there may be more of either."""
    asked = points.asked(self._root)
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
      of = costs.get(one["id"], []) if one["id"] else [math.inf]  # it could not be built
      whole = len(of) == len(steps) and math.isfinite(of[-1])
      told.append(Told(one["changes"], dict(zip(steps, of, strict=False)), whole))
    number = len(asked) + 1
    before = [one["changes"] for one in asked]
    for changes in self._drawn(told, number):
      if changes in before:
        continue
      try:
        id, config = self._resolve(changes)
      except UserError as error:
        print(f"{trials.named(changes)} cannot be trained: {error}", flush=True)
        return points.ask(self._root, number, changes)
      if all(one["id"] != id for one in asked):
        path = Trial(self._root, id, {}).config
        trials.write(self._root, path, dict(configs.flat(config)))
        return points.ask(self._root, number, changes, id)
    self._exhausted = True
    print(f"{self._root}: no points but the {len(asked)} that were tried", flush=True)

  def _drawn(self, told: Sequence[Told], number: int) -> Iterator[Changes]:
    """Points for the trial of this number: the sampler's, which may be ones that were tried; then
    random ones; then all, where they can be counted.
    """
    for draw in range(DRAWS):
      sampler = self.rules.sampler if draw < DRAWS // 2 else "random"
      of = dataclasses.replace(self.rules, sampler=sampler)
      yield suggestion(of, told, _seed(self.rules.seed, number, draw))
    yield from self.rules.points()

  def _costs_of(self, trial: Trial, now: Progress) -> list[float]:
    """What a trial came to at each rung it got to, and at its end: the mean over its seeds."""
    steps = (*self.rules.rungs, trial.steps())
    known = self._costs.setdefault(trial.id, [])
    if len(known) <= trial.level():
      curve = trial.curve(self.rules.metric)
      for step in steps[len(known) :]:
        if step not in curve:
          break
        known.append(self.rules.cost(curve[step]))
    lost = now.state in ("diverged", "failed")  # or it is where it was to get to, without a number
    lost |= now.state in OVER and len(known) <= trial.level()
    return known + [math.inf] * lost


def _seed(*numbers: Any) -> int:
  return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:4], "big")
