"""What the loop of training goes through: batches of each dispatch, and what is due after it."""

import contextlib
import pathlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from seqlab.data.loader import Loader, prefetch


def dispatches(
  config: ConfigDict, loader: Loader, start: int
) -> Generator[tuple[int, int, Any], None, None]:
  """(step before, step after, stacked batches) of each dispatch: `inner_steps` steps, fewer where
  an evaluation or a checkpoint is due sooner.
  """
  every = [n for n in (config.evaluate.every, config.checkpoint.every, config.steps) if n > 0]
  if start >= config.steps:
    return
  with prefetch(loader, start, config.steps, depth=2 * config.inner_steps) as stream:
    step = start
    while step < config.steps:
      until = min(config.inner_steps, config.steps - step, *(n - step % n for n in every))
      batches = [next(stream)[1] for _ in range(until)]
      step += until
      yield step - until, step, {name: np.stack([b[name] for b in batches]) for name in batches[0]}


def passed(before: int, step: int, end: int, every: int) -> bool:
  """Whether a multiple of `every` (0: none) lies after `before` and up to `step`, or the end is."""
  return step == end or (every > 0 and step // every > before // every)


@contextlib.contextmanager
def profiler(first: int, width: int, folder: pathlib.Path) -> Iterator[Callable[[int], None]]:
  """Yields what is told each step; from step `first` on (0: never) it traces three dispatches of
  `width` steps.
  """
  tracing = False

  def at(step: int) -> None:
    nonlocal tracing
    wanted = 0 < first <= step < first + 3 * width
    if wanted and not tracing:
      jax.profiler.start_trace(str(folder / "profile"))
    if tracing and not wanted:
      jax.profiler.stop_trace()
    tracing = wanted

  try:
    yield at
  finally:
    at(0)
