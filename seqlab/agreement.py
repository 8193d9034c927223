"""What several processes of one run agree on; one that is alone agrees with itself."""

from collections.abc import Callable
from typing import TypeVar, cast

import jax
import numpy as np
from jax.experimental import multihost_utils

from seqlab.stored import Damaged

T = TypeVar("T")


def together(attempt: Callable[[], T]) -> T:
  """Runs `attempt` on every process; where one finds damage, all raise, so that all fall back."""
  try:
    result, error = attempt(), None
  except Damaged as damage:
    result, error = None, damage
  if jax.process_count() > 1:
    good = multihost_utils.process_allgather(np.array(error is None))
    if error is None and not np.all(good):
      error = Damaged("another process could not read it")
  if error is not None:
    raise error
  return cast(T, result)


def of_first(found: list[int]) -> list[int]:
  """The steps that the first process finds: another may see the folder as it was a while ago."""
  if jax.process_count() == 1:
    return found
  shown = np.full(64, -1, np.int64)
  newest = found[-len(shown) :]
  shown[: len(newest)] = newest
  return [step for step in multihost_utils.broadcast_one_to_all(shown).tolist() if step >= 0]


def barrier(name: str) -> None:
  """Returns when every process has come here."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)
