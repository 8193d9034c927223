"""Trials on this machine: so many processes at a time, each on its share of cores and GPUs.

A place is a lock on WORKDIR/places/HOST.N, which the process that trains there holds: whoever began
it, and whether that still lives, no more than `jobs` train here at a time.
"""

import dataclasses
import fcntl
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from seqlab.errors import UserError
from seqlab.exits import LOST, STOPPED
from seqlab.sweeps import trials
from seqlab.sweeps.attempts import attempts
from seqlab.sweeps.states import Left
from seqlab.sweeps.trials import Trial

LOOK = 0.2  # seconds between looks at the processes
OTHERS = 2.0  # between looks at the files of trials, which other processes may train
BROKEN = 3  # processes in a row that end before they have taken a trial, after which none is begun


@dataclasses.dataclass(frozen=True)
class _Running:
  trial: Trial
  attempts: int  # before it
  place: int
  process: subprocess.Popen


class Pool:
  """Runs `seqlab attempt` for what is left of a sweep."""

  def __init__(
    self,
    root: pathlib.Path,
    left: Left,
    jobs: int,
    stall: float,
    ended: Callable[[Trial], None],
  ):
    """left: asked again and again for the trials that are under way. ended: called with each trial
    after an attempt at it. stall: as `seqlab attempt` has it.
    """
    self._look, self._jobs, self._stall, self._ended = left, jobs, stall, ended
    self._left = left()
    self._running: list[_Running] = []
    self._broken = 0
    (root / "places").mkdir(exist_ok=True)
    self._root, self._cwd = root, trials.about(root)["cwd"]

  def run(self, stopping: Callable[[], bool]) -> bool:
    """Returns when no trial is left; what other processes train is waited for, and taken up where
    it is lost. Once `stopping`, those that run save and end, no more are started, and it returns
    True.

    Raises:
      UserError: no process gets as far as to take a trial.
    """
    looked, stopped = 0.0, False
    while self._left or self._running:
      ended = [one for one in self._running if one.process.poll() is not None]
      for one in ended:
        self._running.remove(one)
        self._hear(one)
      if stopping() and not stopped:
        stopped, self._left = True, {}
        for one in self._running:
          one.process.terminate()
      if not stopped and (ended or time.monotonic() > looked + OTHERS):
        looked = time.monotonic()
        self._left = self._look()
        self._fill()
      time.sleep(LOOK)
    return stopped

  def _hear(self, one: "_Running") -> None:
    code = one.process.returncode
    began = code in (LOST, STOPPED) or len(attempts(one.trial.folder)) > one.attempts
    self._broken = 0 if began else self._broken + 1
    if code != LOST:
      self._ended(one.trial)
    if self._broken == BROKEN:
      raise UserError(
        f"--workdir={self._root}: trials end before they begin, the last of them with exit code "
        f"{code}; what it said stands above"
      )

  def _fill(self) -> None:
    """Starts what waits in the places that are free: what was tried least comes first."""
    busy = {one.trial.id for one in self._running}
    waiting = [trial for trial, now in self._left.items() if now.state == "waiting"]
    for trial in sorted(waiting, key=lambda trial: self._left[trial].attempts):
      if trial.id in busy:
        continue
      if (place := self._place()) is None:
        return
      process = self._start(trial, *place)
      self._running.append(_Running(trial, self._left[trial].attempts, place[0], process))

  def _place(self) -> tuple[int, int] | None:
    """(the number, the lock) of a place that is free; None where there is none."""
    for number in sorted(set(range(self._jobs)) - {one.place for one in self._running}):
      path = self._root / "places" / f"{socket.gethostname()}.{number}"
      lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        os.close(lock)
        continue
      except OSError:
        pass  # this file system has no locks: our own processes alone are counted
      return number, lock
    return None

  def _start(self, trial: Trial, place: int, lock: int) -> subprocess.Popen:
    command = [
      *(sys.executable, "-m", "seqlab.cli", "attempt", f"--workdir={trial.root.absolute()}"),
      *(f"--trial={trial.id}", f"--stall={self._stall}"),
    ]
    environment = dict(os.environ)
    if gpus := _gpus():
      environment["CUDA_VISIBLE_DEVICES"] = ",".join(share(gpus, place, self._jobs))
      at_once = max(1, -(-self._jobs // len(gpus)))  # that have one GPU
      environment.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{0.9 / at_once:.2f}")
    process = subprocess.Popen(
      command, cwd=self._cwd, env=environment, pass_fds=(lock,), start_new_session=True
    )
    os.close(lock)  # the process has it now
    if hasattr(os, "sched_setaffinity"):
      cores = share(sorted(os.sched_getaffinity(0)), place, self._jobs)
      os.sched_setaffinity(process.pid, cores)
    return process


def share(of: Sequence, place: int, places: int) -> Sequence:
  """The things that fall to one of some places: as many to each, neighbours, some to none where
  they do not go round; one, which others have too, where there are fewer than places.
  """
  each = max(1, len(of) // places)
  first = place * each % (len(of) // each * each)
  return of[first : first + each]


def _gpus() -> list[str]:
  """The GPUs that this process may use, by number or name."""
  said = os.environ.get("CUDA_VISIBLE_DEVICES")
  if said is not None:
    return [one for one in said.split(",") if one]
  found = (re.fullmatch(r"nvidia(\d+)", name) for name in os.listdir("/dev"))
  return sorted((match.group(1) for match in found if match), key=int)
