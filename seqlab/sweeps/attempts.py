"""Who trains a trial: its attempts, numbered, of which the last one counts.

An attempt is a lease: attempts/N.json says who has the trial, and only one process can make number
N. Whoever finds the last attempt's owner gone takes number N + 1; an owner that finds a higher
number than its own has lost the trial, whatever it believes of its life. Nothing is ever renamed or
removed.
"""

import contextlib
import dataclasses
import os
import pathlib
import socket
import time
from typing import Any

from seqlab.sweeps import files

BEAT = 5.0  # seconds between signs of life
DEAD = 120.0  # seconds without one, seen from elsewhere, after which an owner is gone


@dataclasses.dataclass(frozen=True)
class Attempt:
  """owner: where and which process, when it began and at which step. end: its code and why, {}
  while there is none.
  """

  path: pathlib.Path
  number: int
  owner: dict[str, Any]
  end: dict[str, Any]

  def last(self) -> bool:
    """Whether no other process has taken the trial since."""
    return not _path(self.path.parent, self.number + 1).exists()

  def here(self) -> bool:
    """Whether its owner is a process of this machine."""
    return self.owner["place"] == _place()

  def beat(self) -> None:
    """Shows others that the owner lives."""
    os.utime(self.path)

  def finish(self, code: int, why: str = "") -> None:
    """Writes down how it ended."""
    files.write_once(self.path.with_suffix(".end"), dict(code=code, why=why, time=time.time()))

  def ended(self) -> float:
    """When it ended, or last showed a sign of life, by the clock of the file system."""
    path = self.path.with_suffix(".end")
    return (path if path.exists() else self.path).stat().st_mtime

  def alive(self) -> bool:
    """Whether its owner is still at it, for all that can be known from here: by its process where
    that can be seen, else by its signs of life.
    """
    if self.end:
      return False
    if self.here():
      return self.owner["start"] == _start(self.owner["pid"])
    return _age(self.path) < DEAD


def attempts(folder: pathlib.Path) -> list[Attempt]:
  """The attempts at the trial of this folder, in order."""
  found: list[Attempt] = []
  while owner := files.read(path := _path(folder / "attempts", len(found) + 1)):
    end = files.read(path.with_suffix(".end")) or {}
    found.append(Attempt(path, len(found) + 1, owner, end))
  return found


def claim(folder: pathlib.Path, step: int) -> Attempt | None:
  """Takes the trial of this folder; None where another process has it. step: that it goes on from,
  to tell later whether the attempt gained any.
  """
  before = attempts(folder)
  if before and before[-1].alive():
    return None
  number, pid = len(before) + 1, os.getpid()
  owner = dict(
    host=socket.gethostname(), place=_place(), pid=pid, start=_start(pid), began=time.time(),
    step=step,
  )  # fmt: skip
  path = _path(folder / "attempts", number)
  return Attempt(path, number, owner, {}) if files.write_once(path, owner) else None


def _path(folder: pathlib.Path, number: int) -> pathlib.Path:
  return folder / f"{number:04}.json"


def _place() -> list[str]:
  """Where numbers of processes mean what they mean here: this start of this machine, and of this
  container. Names of machines alone may be those of several.
  """
  found = [socket.gethostname()]
  with contextlib.suppress(OSError):
    found.append(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    found.append(os.readlink("/proc/self/ns/pid"))
  return found


def _start(pid: int) -> str:
  """When a process of this place began, in the kernel's ticks; '' where there is none (or one that
  only waits for its parent to hear of its end). Numbers of processes come again.
  """
  try:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
  except OSError:
    if pathlib.Path("/proc/self/stat").exists():
      return ""
  try:  # a system without /proc tells only whether there is one of this number
    os.kill(pid, 0)
    return "some time"
  except ProcessLookupError:
    return ""


def _age(path: pathlib.Path) -> float:
  """Seconds since a file was touched, by the clock of its file system, as this machine's may be
  off; by this machine's where one may only read there.
  """
  now, probe = time.time(), path.with_name(f".now.{socket.gethostname()}.{os.getpid()}")
  with contextlib.suppress(OSError):
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
  return now - path.stat().st_mtime
