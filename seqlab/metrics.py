"""Numbers of a run: sums that add up exactly, the file they go to, the clock that measures them.

A metric is a pair (total, weight), so that microbatches, devices and evaluation sets of any size
add up; a mean is taken once, at the end. `metrics.jsonl` in the run's folder is the source of
truth, with TensorBoard events beside it. A resumed run goes on as if it had never stopped.
"""

import collections
import contextlib
import errno
import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from seqlab.errors import UserError
from seqlab.events import Events

Sums = Mapping[str, tuple[Any, Any]]

FILE = "metrics.jsonl"
_END = 16_384  # bytes that a line is surely in


def means(sums: Sums) -> dict[str, float]:
  """Returns total / weight of each metric; NaN where nothing was weighed."""
  return {k: float(t) / float(w) if float(w) else math.nan for k, (t, w) in sums.items()}


def read(workdir: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines of a run's metrics in order; a last line that a kill tore is left out."""
  path = pathlib.Path(workdir) / FILE
  found = []
  for line in path.read_text().splitlines() if path.exists() else []:
    try:
      found.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return found


def last_step(workdir: str | os.PathLike) -> int:
  """Returns the last step that a run has told of, by the end of its file; 0 where there is none."""
  path = pathlib.Path(workdir) / FILE
  if not path.exists():
    return 0
  with open(path, "rb") as file:
    file.seek(max(file.seek(0, os.SEEK_END) - _END, 0))
    for line in reversed(file.read().splitlines()):
      with contextlib.suppress(ValueError):  # one that is torn or cut
        return json.loads(line)["step"]
  return 0


class Other(Protocol):
  """Something else that numbers are handed to, such as a `trackers.Tracker`."""

  def write(self, step: int, numbers: Mapping[str, float]) -> None: ...

  def close(self) -> None: ...


class Writer:
  """Appends to `workdir/metrics.jsonl` and to TensorBoard events in `workdir/tensorboard`.

  `start` is the number of steps done so far: what an earlier run wrote beyond it is dropped, since
  those steps are run again. Each line holds `step`, `time` (seconds since 1970) and the numbers as
  they are; those that are not finite are null, as JSON has no name for them. `others` are handed
  the same numbers, and closed with this.
  """

  def __init__(
    self,
    workdir: str | os.PathLike,
    start: int = 0,
    tensorboard: bool = True,
    others: Sequence[Other] = (),
  ):
    self._path, self._others = pathlib.Path(workdir) / FILE, others
    self._events: Events | None = None
    with self._blaming_the_disk():
      self._path.parent.mkdir(parents=True, exist_ok=True)
      kept = [line for line in read(workdir) if line["step"] <= start]
      rewritten = self._path.with_suffix(".tmp")
      rewritten.write_text("".join(json.dumps(line) + "\n" for line in kept))
      os.replace(rewritten, self._path)
      # Unbuffered: a kill loses no line that was written.
      self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115
      if tensorboard:
        self._events = Events(self._path.parent / "tensorboard", start)

  def write(self, step: int, numbers: Mapping[str, float]) -> None:
    """Writes the numbers known after `step` steps.

    Raises:
      UserError: the file cannot be written, say for want of space.
    """
    values = {k: float(v) for k, v in numbers.items()}
    line = {k: v if math.isfinite(v) else None for k, v in values.items()}
    data = json.dumps({"step": int(step), "time": time.time(), **line}).encode() + b"\n"
    with self._blaming_the_disk():
      if self._file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
      if self._events is not None:
        self._events.write(int(step), values)
    for other in self._others:
      other.write(int(step), values)

  def write_images(self, step: int, images: Mapping[str, bytes]) -> None:
    """Shows PNGs in TensorBoard."""
    if self._events is not None:
      with self._blaming_the_disk():
        self._events.write_images(step, images)

  def close(self) -> None:
    self._file.close()
    if self._events is not None:
      with self._blaming_the_disk():
        self._events.close()
    for other in self._others:
      other.close()

  def __enter__(self) -> "Writer":
    return self

  def __exit__(self, *_: Any) -> None:
    self.close()

  @contextlib.contextmanager
  def _blaming_the_disk(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise UserError(f"{self._path}: cannot be written ({error.strerror or error})") from error


class Nowhere(Writer):
  """What a process writes to that is not the one that writes."""

  def __init__(self) -> None:
    pass

  def write(self, step: int, numbers: Mapping[str, float]) -> None:
    pass

  def write_images(self, step: int, images: Mapping[str, bytes]) -> None:
    pass

  def close(self) -> None:
    pass


class Clock:
  """Speed over the last ticks, and the time to the end.

  `work` ({"tokens": …} or {"examples": …}) and `flops` are of one step; `peak` is the FLOP/s of all
  devices, None where unknown.
  The first tick starts the clock, so that compiling is not counted; nor is what `paused` encloses.
  """

  def __init__(
    self,
    steps: int,
    work: Mapping[str, float],
    flops: float,
    peak: float | None = None,
    window: int = 20,
    now: Callable[[], float] = time.perf_counter,
  ):
    self._steps, self._work, self._flops, self._peak = steps, work, flops, peak
    self._now, self._lost = now, 0.0
    self._ticks: collections.deque[tuple[int, float]] = collections.deque(maxlen=window + 1)

  def tick(self, step: int) -> None:
    """Notes that `step` steps are done now."""
    self._ticks.append((step, self._now() - self._lost))

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Leaves out what happens inside: an evaluation, a wait."""
    began = self._now()
    try:
      yield
    finally:
      self._lost += self._now() - began

  def rates(self) -> dict[str, float]:
    """Returns steps, work and FLOP per second, MFU where the peak is known, seconds to the end.

    Empty until two ticks are there to measure between.
    """
    if len(self._ticks) < 2:
      return {}
    (first, began), (last, ended) = self._ticks[0], self._ticks[-1]
    if ended <= began or last <= first:
      return {}
    speed = (last - first) / (ended - began)
    rates = {
      "steps_per_second": speed,
      **{f"{name}_per_second": speed * count for name, count in self._work.items()},
      "flops_per_second": speed * self._flops,
      "eta_seconds": max(self._steps - last, 0) / speed,
    }
    if self._peak:
      rates["mfu"] = rates["flops_per_second"] / self._peak
    return rates
