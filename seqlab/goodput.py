"""What the time of a run went into. Goodput is the share of it in which steps were made that count.

`time.jsonl` in the run's folder is only ever appended to, so it tells of all attempts at a run,
killed ones too: a line each ten seconds and after each checkpoint, with when the attempt `began`,
the `seconds` since then, the `step`s dispatched and how many of the seconds it has spent on
- starting: from the command's begin to the end of the first dispatch, which compiles, and later
  dispatches of another number of steps, which compile too;
- data: the loop waits for a batch while the device has nothing left to do;
- evaluating: the validation set, pictures, curves, and the compiling that they need;
- saving: as long as the loop waits for checkpoints, most of which are written in the background,
  and at the end for files and services to be closed.
What is left went into steps. Steps beyond the checkpoint that the next attempt began with are made
again, so their seconds count as lost; so does what lies between attempts, the last seconds of one
that was killed (after its last line) among it. An attempt that went as far as it was asked to
(`--until`) says so in its last line: how long the run then waits is no time of its own.

The loop runs ahead of the device, so the time that it blocks on a batch says nothing by itself: the
device may be at work all the while. A thread looks twenty times a second at both, the loop and
whether the numbers of the last dispatch are there, which waits for nothing. Seconds of data are
hence a sample, right to a twentieth of a second or a few percent, whichever is more.
"""

import contextlib
import json
import pathlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax

FILE, SUMMARY = "time.jsonl", "goodput.json"
PARTS = {
  "starting": "starting and compiling",
  "data": "waiting for data",
  "evaluating": "evaluating and pictures",
  "saving": "saving",
}
LOST = {**PARTS, "again": "steps made again", "down": "between attempts"}
LOOK = 0.05  # seconds between looks of the thread
SELDOM = 10.0  # seconds between lines

Line = dict[str, Any]


class Spent:
  """The time of an attempt at runs that train together, while it lasts. A context manager.

  folders: of the runs, none in a process that does not write. start: steps that they have. began:
  when the command did, in seconds since 1970. watch: is told at each look when the wait for a
  batch began that leaves the device without work, None where there is none.
  """

  def __init__(
    self,
    folders: Sequence[pathlib.Path],
    start: int,
    began: float,
    watch: Callable[[float | None], None] = lambda since: None,
  ):
    self._folders, self._began, self._watch = folders, began, watch
    self._offset = time.perf_counter() - max(time.time() - began, 0.0)
    self._seconds, self._written = dict.fromkeys(PARTS, 0.0), 0.0
    self._compiled: set[int] = set()  # numbers of steps that a dispatch was compiled for
    self._waiting: float | None = None  # since when the loop does
    self._running: Any = {}  # numbers of the last dispatch, on the device
    self._closed = threading.Event()
    self._thread = threading.Thread(target=self._look, daemon=True, name="seqlab-goodput")
    self.note(start)

  @contextlib.contextmanager
  def on(self, part: str) -> Iterator[None]:
    """Counts what happens inside to one of PARTS."""
    began = time.perf_counter()
    try:
      yield
    finally:
      self._seconds[part] += time.perf_counter() - began

  def waited(self, batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, the wait for each being looked at."""
    stream = iter(batches)
    while True:
      self._waiting = time.perf_counter() if self._compiled else None
      try:
        batch = next(stream)
      except StopIteration:
        return
      finally:
        self._waiting = None
      yield batch

  @contextlib.contextmanager
  def dispatching(self, steps: int) -> Iterator[None]:
    """Encloses a dispatch of so many steps, which compiles where it is the first such."""
    began = time.perf_counter() if self._compiled else self._offset
    yield
    if steps not in self._compiled:
      self._compiled.add(steps)
      self._seconds["starting"] += time.perf_counter() - began

  def dispatched(self, step: int, metrics: Any) -> None:
    """Notes the last dispatch, up to `step`, by its numbers on the device."""
    self._running = metrics
    if time.perf_counter() > self._written + SELDOM:
      self.note(step)

  def note(self, step: int, asked: bool = False) -> None:
    """Writes a line. asked: the attempt ends, as it went as far as it was asked to."""
    self._written = time.perf_counter()
    elapsed = round(self._written - self._offset, 3)
    spent = {part: round(seconds, 3) for part, seconds in self._seconds.items()}
    if not self._compiled:
      spent["starting"] = elapsed
    times = {"began": self._began, "seconds": elapsed}
    last = {"asked": True} if asked else {}
    line = json.dumps({**times, "step": int(step), **spent, **last}) + "\n"
    for folder in self._folders:
      with open(folder / FILE, "a") as file:
        # What a crash tore must not run into the first line of the next attempt.
        file.write("\n" * (not self._compiled and file.tell() > 0) + line)

  def _look(self) -> None:
    before = time.perf_counter()
    while not self._closed.wait(LOOK):
      now, since = time.perf_counter(), self._waiting
      if since is not None and not all(x.is_ready() for x in jax.tree.leaves(self._running)):
        since = None
      if since is not None:
        self._seconds["data"] += now - before
      self._watch(since)
      before = now

  def __enter__(self) -> "Spent":
    self._thread.start()
    return self

  def __exit__(self, *_: Any) -> None:
    self._closed.set()
    self._thread.join()


def summary(workdir: pathlib.Path) -> dict[str, Any] | None:
  """The seconds of a run so far, in all its attempts: {goodput, wall, productive, attempts, lost:
  {part: seconds}}, from the begin of the first one to the last line of the last, without
  waits to be asked on. None where no step was begun.
  """
  tried = list(_attempts(workdir / FILE))
  if not tried:
    return None
  lost, productive = dict.fromkeys(LOST, 0.0), 0.0
  for number, lines in enumerate(tried):
    for part in PARTS:
      lost[part] += lines[-1][part]
    later = tried[number + 1 :]
    kept = min((after[0]["step"] for after in later), default=lines[-1]["step"])
    made = _made(lines[-1])
    counted = max((_made(line) for line in lines if line["step"] <= kept), default=0.0)
    counted = min(counted, made)  # where a sample of data was larger than what it was taken of
    productive += counted
    lost["again"] += made - counted
    if later and not lines[-1].get("asked"):
      ended = lines[-1]["began"] + lines[-1]["seconds"]
      lost["down"] += max(later[0][0]["began"] - ended, 0.0)
  wall = productive + sum(lost.values())
  return dict(
    goodput=productive / wall if wall else 0.0,
    wall=wall,
    productive=productive,
    attempts=len(tried),
    lost=lost,
  )


def told(found: dict[str, Any]) -> dict[str, str]:
  """A summary as a table for people."""

  def share(seconds: float) -> str:
    return f"{seconds:,.1f} s, {seconds / found['wall']:.1%}" if found["wall"] else "0 s"

  return {
    "goodput": f"{found['goodput']:.1%}",
    "attempts": f"{found['attempts']}",
    "wall time": f"{found['wall']:,.1f} s",
    "steps that count": share(found["productive"]),
    **{LOST[part]: share(seconds) for part, seconds in found["lost"].items()},
  }


def _made(line: Line) -> float:
  """Seconds of an attempt that went into steps, up to a line of it."""
  return max(line["seconds"] - sum(line[part] for part in PARTS), 0.0)


def _attempts(path: pathlib.Path) -> Iterator[list[Line]]:
  """The lines of each attempt, in order; one that a crash tore is left out."""
  found: dict[float, list[Line]] = {}
  for text in path.read_text().splitlines() if path.exists() else []:
    with contextlib.suppress(json.JSONDecodeError):
      line = json.loads(text)
      found.setdefault(line["began"], []).append(line)
  yield from found.values()
