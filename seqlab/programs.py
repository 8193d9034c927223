"""Which runs one program trains: one, or each of several seeds and learning rates."""

import itertools
from collections.abc import Sequence
from typing import Any


def runs_of(
  seed: int, seeds: int, lr: float, lrs: Sequence[float]
) -> list[tuple[dict[str, Any], str]]:
  """(its `lr` and `seed`, its folder in that of all) of each run: /lrX for each of `lrs` and /seedN
  for each of several seeds, '' of one alone.
  """
  return [
    (dict(lr=rate, seed=one), f"/lr{float(rate)}" * bool(lrs) + f"/seed{one}" * (seeds > 1))
    for rate, one in itertools.product(lrs or (lr,), range(seed, seed + seeds))
  ]
