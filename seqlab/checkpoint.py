"""The checkpoints of a run: saved in the background, the newest good one restored.

What the rest may rely on:
- A save that fails is a `UserError` at the next call, and the steps before it are untouched.
- A step that cannot be read, or reads wrong, is renamed `N.bad` with one warning, and the next
  older one is tried. A step of other shapes is no damage but a `UserError`, and stays.
Retention is done here rather than by Orbax's manager, which ranks NaN as best and loses track of
the steps after a failed save.
"""

import concurrent.futures
import functools
import logging
import math
import os
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Any

import jax

from seqlab import agreement, leaves, stored
from seqlab.errors import UserError
from seqlab.stored import Damaged

_log = logging.getLogger("seqlab")


class Checkpoints:
  """The checkpoints of one run: `directory/STEP`, the newest `keep` and the `best` by `metric`.

  The smallest metric is best, but of an accuracy the greatest. Only the trainer opens a directory
  this way (it clears what a killed save left behind); whoever only reads uses `seqlab.pretrained`.
  """

  def __init__(
    self,
    directory: str | os.PathLike,
    keep: int = 2,
    best: int = 1,
    metric: str | None = "loss",
  ):
    self.directory = pathlib.Path(directory).absolute()
    self._keep, self._best, self._metric = keep, best, metric
    self._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
    self._pending: tuple[int, concurrent.futures.Future] | None = None
    try:
      self.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
      raise UserError(f"checkpoints cannot be written to {self.directory}: {error}") from None
    self._clear_leftovers()
    self._metrics = {
      step: self._read_metrics(step) for step in agreement.of_first(steps(self.directory))
    }

  @property
  def latest(self) -> int | None:
    """The newest step on disk or under way, or None."""
    return max(self._metrics, default=None)

  def save(
    self,
    step: int,
    state: Any,
    metrics: Mapping[str, float] | None = None,
    metadata: Mapping[str, Any] | None = None,
  ) -> bool:
    """Starts to save `state`, a tree of arrays, and returns before it is written.

    The arrays may be donated as soon as this returns. `metrics` are Python numbers; those that are
    not finite never count as best. `metadata` is JSON. Returns False where the step exists already.

    Raises:
      UserError: this or the previous save could not be written; older steps are as they were.
    """
    self.wait()
    if step in self._metrics:
      return False
    numbers = {k: float(v) for k, v in (metrics or {}).items()}
    about: dict[str, Any] = {
      "metrics": {k: v for k, v in numbers.items() if math.isfinite(v)},
      "metric": self._metric,
      "metadata": dict(metadata or {}),
    }
    try:
      response = stored.write(self.directory / str(step), state, about)
    except OSError as error:
      self._clear_leftovers(failed=True)
      raise self._failed(step, error) from error
    self._metrics[step] = about["metrics"]
    self._pending = step, self._pool.submit(self._finish, step, response)
    return True

  def wait(self) -> None:
    """Waits for the save under way, if any; raises its failure as a UserError."""
    if self._pending is None:
      return
    step, future = self._pending
    try:
      future.result()
      self._pending = None
    except Exception as error:
      self._pending = None
      del self._metrics[step]
      self._clear_leftovers(failed=True)
      raise self._failed(step, error) from error

  def close(self) -> None:
    """Waits and ends the background thread."""
    try:
      self.wait()
    finally:
      self._pool.shutdown()

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, kind, error, trace) -> None:
    try:
      self.close()
    except UserError as failure:
      if error is None:
        raise
      _log.warning("%s", failure)  # what ended the run matters more than what it did to the save

  def restore(self, example: Any) -> tuple[Any, int, dict[str, Any]] | None:
    """Returns (state, step, metadata) of the newest good step, or None where there is none.

    `example` is the state wanted: arrays or `jax.ShapeDtypeStruct`s. The result lies as they do.

    Raises:
      UserError: the step holds leaves of other names, shapes or dtypes.
    """
    self.wait()
    for step in sorted(self._metrics, reverse=True):
      try:
        state, metadata = agreement.together(
          functools.partial(read, self.directory / str(step), example)
        )
        return state, step, metadata
      except Damaged as error:
        self._quarantine(step, error)
    return None

  def _finish(self, step: int, response: Any) -> None:
    """Runs in the background thread: awaits the write, then drops what need not be kept."""
    response.result()
    if jax.process_index() == 0:
      stored.list_files(self.directory / str(step))
    keep = kept(self._metrics, self._keep, self._best, self._metric)
    if jax.process_index() == 0:
      for step in sorted(self._metrics.keys() - keep):
        # Renamed first, so that a kill in the middle leaves no half of a step under its name.
        doomed = self.directory / f"{step}.deleted"
        os.replace(self.directory / str(step), doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    self._metrics = {step: self._metrics[step] for step in keep}

  def _read_metrics(self, step: int) -> dict[str, float]:
    try:
      return stored.read_body(self.directory / str(step))["metrics"]
    except Damaged:  # it is quarantined when its turn to be restored comes
      return {}

  def _clear_leftovers(self, failed: bool = False) -> None:
    """Removes what is no checkpoint. Other threads of a save that failed may still write into its
    folder, and make it again: it is gone when nothing has come for four looks.
    """
    if jax.process_index() != 0:
      return
    quiet, wanted = 0, 4 if failed else 1
    for _ in range(30):
      patterns = (stored.LEFTOVERS, "*.deleted")
      left = [path for pattern in patterns for path in self.directory.glob(pattern)]
      for path in left:
        shutil.rmtree(path, ignore_errors=True)
      quiet = 0 if any(path.exists() for path in left) or (failed and left) else quiet + 1
      if quiet >= wanted:
        return
      time.sleep(0.1)

  def _failed(self, step: int, error: BaseException) -> UserError:
    last = self.latest
    good = "there is no earlier one" if last is None else f"step {last} is the last good one"
    return UserError(
      f"{self.directory}: the checkpoint of step {step} could not be written "
      f"({stored.reason(error)}); {good}"
    )

  def _quarantine(self, step: int, error: Exception) -> None:
    path = self.directory / str(step)
    bad, n = path.with_name(f"{step}.bad"), 1
    while bad.exists():
      bad, n = path.with_name(f"{step}.bad{n}"), n + 1
    del self._metrics[step]
    if jax.process_index() == 0:
      os.replace(path, bad)
      then = f"falling back to step {self.latest}" if self._metrics else "no older one is left"
      _log.warning("checkpoint %s is damaged (%s); renamed to %s, %s", path, error, bad.name, then)
    agreement.barrier(f"quarantine {step}")


def steps(directory: str | os.PathLike) -> list[int]:
  """Returns the steps that a directory of checkpoints holds, ascending."""
  folder = pathlib.Path(directory)
  names = [p.name for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
  return sorted(int(name) for name in names if name.isdecimal())


Metrics = Mapping[int, Mapping[str, float]]  # of each step


def kept(metrics: Metrics, keep: int, best: int, metric: str | None) -> set[int]:
  """Returns the steps to keep: the newest `keep`, and the `best` by `metric`."""
  return {*sorted(metrics)[-max(keep, 1) :], *best_steps(metrics, metric, best)}


def best_steps(metrics: Metrics, metric: str | None, count: int) -> list[int]:
  """Returns up to `count` steps, the best by `metric` first, only those where it is finite."""
  sign = -1 if metric == "accuracy" else 1
  numbers = {s: sign * m.get(metric or "", math.nan) for s, m in metrics.items()}
  value = {s: v for s, v in numbers.items() if math.isfinite(v)}
  return sorted(value, key=lambda s: (value[s], s))[:count]


def read(path: pathlib.Path, example: Any) -> tuple[Any, dict[str, Any]]:
  """Returns (state, metadata) of a step that holds exactly the leaves of `example`."""
  body = stored.read_body(path)
  wanted = leaves.by_path(example)
  if report := leaves.compare(body["leaves"], {p: leaves.looks(x) for p, x in wanted.items()}):
    raise UserError(f"{path}: the checkpoint does not fit this config: {report}")
  return stored.fill(example, stored.load(path, body, wanted)), body["metadata"]
