"""Alerts of a run: what somebody should look at before it ends, said once each.

Three kinds: `diverged` (the training ended over a number that is not finite), `climbs` (the loss is
finite and far above its best) and `input` (the loop waits for batches and the device for the loop).
An alert is said on stderr, written to `alerts.jsonl` in the run's folder and handed to the user's
command. None of them ends a training or holds it up.
"""

import collections
import contextlib
import json
import math
import pathlib
import shlex
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any

FILE = "alerts.jsonl"
LINES = 10  # of the log, whose median stands for the loss
SPREADS = 10.0  # median deviations of the lines at the best that a climb is at least
LONG = 20.0  # seconds without a batch that are a stall
WINDOW, SHARE = 60.0, 0.5  # seconds looked back on; of them so much without work is a stall


def read(workdir: pathlib.Path) -> list[dict[str, Any]]:
  """The alerts of a run, in order: time (seconds since 1970), kind, text. A line that is torn, or
  being written, is left out.
  """
  path, found = workdir / FILE, []
  for line in path.read_text().splitlines() if path.exists() else []:
    with contextlib.suppress(json.JSONDecodeError):
      found.append(json.loads(line))
  return found


class Alerts:
  """The alerts of one run.

  where: the run as the user calls it. command: is started with the text as its last argument, if
  it is not ''. say: says a line to the user. active: False in a process that does not write.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    where: str,
    command: str,
    say: Callable[[str], None],
    active: bool = True,
  ):
    self._folder, self._where, self._say, self._active = folder, where, say, active
    self._command = shlex.split(command)
    self._known = {alert["kind"] for alert in read(folder)} if active else set()
    if active and self._command and shutil.which(self._command[0]) is None:
      self._say(f"seqlab: config.log.alert={command!r}: no such command here; alerts go without it")

  def give(self, kind: str, text: str, say: bool = True) -> None:
    """Says, writes and hands on an alert, unless the run has had one of this kind."""
    if not self._active or kind in self._known:
      return
    self._known.add(kind)
    if say:
      self._say(f"seqlab: alert: {self._where}: {text}")
    try:
      with open(self._folder / FILE, "a") as file:
        # An empty line before it, as what a full disk tore must not run into it.
        file.write("\n" + json.dumps(dict(time=time.time(), kind=kind, text=text)) + "\n")
      if self._command:
        nowhere = subprocess.DEVNULL  # it outlives the training, which never waits for it
        subprocess.Popen(
          [*self._command, f"{self._where}: {text}"],
          stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
      self._say(f"seqlab: the alert could not be handed on ({error.strerror or error})")


class Climb:
  """Whether a loss has climbed far from its best: its median over the last ten lines of the log has
  lost more than half of what the best such median had won since the first one, and lies above the
  best by more than ten times the spread that the lines had there (their median deviation). These
  are differences of losses, so a loss may have any scale and sign; a few wild lines move no median.
  """

  def __init__(self, before: Iterable[float | None] = ()):
    """before: the losses that the run's log has already."""
    self._last: collections.deque[float] = collections.deque(maxlen=LINES)
    self._first = self._best = math.inf
    self._spread = 0.0  # at the best
    for loss in before:
      self.far(math.nan if loss is None else loss)

  def far(self, loss: float) -> tuple[float, float] | None:
    """(the median now, the best) where they are far apart after the loss of a new line, or None."""
    if not math.isfinite(loss):  # a line of steps that were skipped
      return None
    self._last.append(loss)
    if len(self._last) < LINES:
      return None
    now = statistics.median(self._last)
    if self._first == math.inf:
      self._first = now
    if now < self._best:
      self._best, self._spread = now, statistics.median(abs(x - now) for x in self._last)
    climbed = now - self._best
    far = climbed > max(0.5 * (self._first - self._best), SPREADS * self._spread)
    return (now, self._best) if far else None


class Stall:
  """Whether the input stalls: the device has had no work for want of a batch for 20 seconds on
  end, or for half of the last minute. Told of by `goodput.Spent` at each of its looks.
  """

  def __init__(self, give: Callable[[str, str], None]):
    self._give = give
    self._looks: collections.deque[tuple[float, bool]] = collections.deque()
    self._without = 0  # of these looks, those that found the device without work

  def look(self, since: float | None) -> None:
    """since: when the wait for a batch began that leaves the device without work, by
    `time.perf_counter`; None where there is none.
    """
    now = time.perf_counter()
    if since is not None and now - since > LONG:
      self._give("input", f"no batch for {now - since:.0f} s: the input stalls")
    self._looks.append((now, since is not None))
    self._without += since is not None
    if now - self._looks[0][0] > WINDOW:
      share = self._without / len(self._looks)
      if share > SHARE:
        self._give("input", f"{share:.0%} of the last minute went into waiting for batches")
      self._without -= self._looks.popleft()[1]
