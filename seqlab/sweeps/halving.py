"""Which trials of a search go on: asynchronous successive halving (Li et al., arXiv:1810.05934,
Algorithm 2). A trial that waits is not lost: it goes on whenever it is among the best, bitwise as
if it had never stopped.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def promotion(
  costs: Mapping[T, Sequence[float]],
  level: Mapping[T, int],
  rungs: int,
  factor: int,
  last: bool,
) -> T | None:
  """Which trial is let go on from the rung that it waits at, None for none: the best of the highest
  rung where one in `factor` may.

  costs: of each trial at each rung it got to, less is better; at the end, number `rungs`, too.
  level: of how many rungs each was let go on. last: nothing trains and nothing is tried any more,
    so that where none got to the end the best of the highest rung goes on, of however few.
  """
  for rung in reversed(range(rungs)):
    reached = sorted((of for of in costs if len(costs[of]) > rung), key=lambda of: costs[of][rung])
    for one in reached[: len(reached) // factor]:
      if level[one] == rung and math.isfinite(costs[one][rung]):
        return one
  if not last or any(len(of) > rungs and math.isfinite(of[-1]) for of in costs.values()):
    return None
  waiting = [of for of in costs if costs[of] and level[of] < len(costs[of]) <= rungs]
  waiting = [of for of in waiting if math.isfinite(costs[of][-1])]
  return min(waiting, key=lambda of: (-len(costs[of]), costs[of][-1]), default=None)
