"""How far trials and their runs are, read off their files."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from seqlab.exits import DIVERGED, DONE, LOST, STOPPED
from seqlab.sweeps.attempts import Attempt, attempts
from seqlab.sweeps.trials import Run, Trial

# Of one trial, in a row and without a step gained, after which it is let be: failures, and losses
# without a word. That it was stopped is not counted, as preemptions may be many; it is told.
FAILURES, LOSSES = 3, 10
STOPS = 3  # of the same, from which that is told
STATES = ("done", "diverged", "running", "waiting", "paused", "failed")
UNDER_WAY, OVER = ("running", "waiting"), ("done", "diverged", "paused")


@dataclasses.dataclass(frozen=True)
class Progress:
  """One of STATES, and what a user wants to know beside it."""

  state: str
  note: str
  attempts: int
  result: dict[str, Any] | None


Left = Callable[[], dict[Trial, Progress]]  # the trials of a sweep that are under way


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How far a run is: its state as that of a trial, its step and the numbers of its validation."""

  run: Run
  state: str
  step: int
  numbers: dict[str, Any]

  def value(self, metric: str) -> float | None:
    """Its number on the validation set, where it has one."""
    return self.numbers.get(f"valid/{metric}")


def outcomes(trial: Trial) -> list[Outcome]:
  """How far each run of a trial is; where one of several diverged, the others are done."""
  now, found = progress(trial), []
  for number, run in enumerate(trial.runs()):
    if not now.result:
      found.append(Outcome(run, now.state, *run.told()))
      continue
    said = now.result["runs"][number]
    whole = said["step"] >= trial.steps() and said["numbers"].get("valid/loss") is not None
    state = "diverged" if now.state == "diverged" and not whole else "done"
    found.append(Outcome(run, state, said["step"], said["numbers"]))
  return found


def progress(trial: Trial) -> Progress:
  """How far a trial is, read off its files."""
  tried, result = attempts(trial.folder), trial.result()
  if result:
    return Progress("diverged" if result["code"] == DIVERGED else "done", "", len(tried), result)
  if not tried:
    return Progress("waiting", "", 0, None)
  last = tried[-1]
  if last.alive():
    owner = last.owner
    return Progress("running", f"process {owner['pid']} on {owner['host']}", len(tried), None)
  if trial.paused(trial.until()):
    return Progress("paused", "", len(tried), None)
  if not last.end:
    why = f"process {last.owner['pid']} on {last.owner['host']} was killed"
  else:
    why = last.end["why"] or f"exit {last.end['code']}" * bool(last.end["code"])
  counted = [one for one in tried if one.ended() > trial.resumed()]
  failures, losses, stops = fruitless(counted, trial.saved())
  if stops >= STOPS and last.end and last.end["code"] == STOPPED:
    why = f"stopped {stops} times before it gained a step: is it given less time than it starts in?"
  over = failures >= FAILURES or losses >= LOSSES
  return Progress("failed" if over else "waiting", why, len(tried), None)


class Sweep(abc.ABC):
  """The trials of a sweep while it is trained; what has a result is read once."""

  def __init__(self, whole: int):
    """whole: how many trials it is to have."""
    self.whole = whole
    self._ended: dict[str, Progress] = {}

  @property
  @abc.abstractmethod
  def trials(self) -> Sequence[Trial]:
    """Those that there are so far."""

  @abc.abstractmethod
  def left(self) -> dict[Trial, Progress]:
    """How far those are that are under way."""

  def progress(self, trial: Trial) -> Progress:
    """How far one of them is."""
    if trial.id in self._ended:
      return self._ended[trial.id]
    now = progress(trial)
    if now.result:
      self._ended[trial.id] = now
    return now


class Listed(Sweep):
  """One whose trials are all known from its beginning."""

  def __init__(self, trials: Sequence[Trial]):
    super().__init__(len(trials))
    self._trials, self._under_way = trials, list(trials)

  @property
  def trials(self) -> Sequence[Trial]:
    return self._trials

  def left(self) -> dict[Trial, Progress]:
    """As it says; what failed too often is not looked at again."""
    now = {trial: self.progress(trial) for trial in self._under_way}
    found = {trial: of for trial, of in now.items() if of.state in UNDER_WAY}
    self._under_way = list(found)
    return found


def fruitless(tried: Sequence[Attempt], saved: int) -> tuple[int, int, int]:
  """(failures, losses without a word, stops) of the last attempts in a row that gained no step;
  `saved` is the step that the last one left.
  """
  failures = losses = stops = 0
  for one in reversed(tried):
    if one.owner["step"] < saved:
      break
    saved = one.owner["step"]
    if not one.end:
      losses += 1
    elif one.end["code"] == STOPPED:
      stops += 1
    elif one.end["code"] not in (DONE, LOST):
      failures += 1
  return failures, losses, stops
