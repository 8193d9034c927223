"""Services that a run's numbers go to besides its own files: Weights & Biases, Trackio.

Each is imported only where `config.log.to` names it. It is spoken to on a thread of its own, so
that nothing it does or fails to do ends a training, or holds it up for longer than it gets to begin
and to end: what fails is said once, and the run goes on without it. `metrics.jsonl` stays the
source of truth. A run that goes on is the same run there, by the name in its file `tracked`; steps
that were made again after a kill are handed on again, with the same numbers. Where they go is the
services' own business (`WANDB_MODE`, `WANDB_PROJECT`, `TRACKIO_SPACE_ID`, ...).
"""

import importlib.util
import os
import pathlib
import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seqlab.errors import UserError

FILE = "tracked"
BEHIND = 10_000  # lines that a service may be behind before it is given up
OPEN, FINISH = 30.0, 60.0  # seconds that it gets to begin and to end


def _wandb(name: str, folder: pathlib.Path, config: Mapping[str, Any]) -> Any:
  import wandb

  return wandb.init(
    project=os.environ.get("WANDB_PROJECT", "seqlab"), id=name, name=name, dir=str(folder),
    config=dict(config), resume="allow", reinit="create_new", settings={"console": "off"},
  )  # fmt: skip


def _trackio(name: str, folder: pathlib.Path, config: Mapping[str, Any]) -> Any:
  import trackio

  project = os.environ.get("TRACKIO_PROJECT", "seqlab")
  return trackio.init(project=project, name=name, config=dict(config), resume="allow", embed=False)


SERVICES: Mapping[str, Callable[[str, pathlib.Path, Mapping[str, Any]], Any]] = {
  "wandb": _wandb,
  "trackio": _trackio,
}


def check(names: Sequence[str]) -> None:
  """Refuses a service whose package is not installed.

  Raises:
    UserError: how to install it.
  """
  for name in names:
    if importlib.util.find_spec(name) is None:
      raise UserError(f"config.log.to={tuple(names)}: {name} is missing; pip install {name}")


def name_of(folder: pathlib.Path) -> str:
  """What the run in a folder is called by services, the same whenever it goes on."""
  path = folder / FILE
  if not path.exists():
    own = re.sub(r"[^\w.-]", "_", folder.absolute().name)
    path.write_text(f"{own}-{os.urandom(4).hex()}\n")
  return path.read_text().strip()


class Tracker:
  """Hands the lines of a run on to a service.

  say: says a line to the user: what fails, after which nothing more is handed on.
  """

  def __init__(
    self,
    service: str,
    folder: pathlib.Path,
    config: Mapping[str, Any],
    say: Callable[[str], None],
  ):
    self._service, self._say, self._failed = service, say, False
    self._lines: queue.Queue = queue.Queue(BEHIND)
    self._opened = threading.Event()
    of = name_of(folder), folder, config
    self._thread = threading.Thread(target=self._work, args=of, daemon=True, name=service)
    self._thread.start()
    if not self._opened.wait(OPEN):
      self._fail(f"did not begin within {OPEN:.0f} s")

  def write(self, step: int, numbers: Mapping[str, float]) -> None:
    """Hands on the numbers known after `step` steps; never waits."""
    self._put((step, dict(numbers)))

  def close(self) -> None:
    """Ends it, or leaves it to itself after a minute."""
    self._put(None)
    if not self._failed:
      self._thread.join(FINISH)
      if self._thread.is_alive():
        self._fail(f"did not end within {FINISH:.0f} s")

  def _put(self, line: tuple[int, dict[str, float]] | None) -> None:
    if not self._failed:
      try:
        self._lines.put_nowait(line)
      except queue.Full:
        self._fail(f"is {BEHIND:,} lines behind")

  def _work(self, name: str, folder: pathlib.Path, config: Mapping[str, Any]) -> None:
    try:
      run = SERVICES[self._service](name, folder, config)
      self._opened.set()
      while (line := self._lines.get()) is not None:
        step, numbers = line
        run.log(numbers, step=step)
      run.finish()
    except Exception as error:
      self._fail(f"fails with {type(error).__name__}: {' '.join(str(error).split())}")
      self._opened.set()

  def _fail(self, what: str) -> None:
    if not self._failed:
      self._failed = True
      self._say(f"seqlab: {self._service} {what}; the run goes on without it")
