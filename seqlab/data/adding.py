"""The adding problem (Hochreiter & Schmidhuber 1997, section 5.4): two numbers of a long series are
marked, and their sum is to be told.
"""

import numpy as np

from seqlab.data.table import Table
from seqlab.errors import UserError

LARGEST = 10**8  # numbers, 2 GB while they are drawn


def adding(config_key: str, length: int = 100, samples: int = 50_000, seed: int = 0) -> Table:
  """Series of pairs, x_BTD [samples, length, 2]: a number from 0 to 1, and a mark that is 1 at one
  place of each half and 0 elsewhere; target_B is the sum of the marked numbers. To say 1 always
  costs 0.167 (arXiv:1511.06464, section 5.2).
  """
  if length < 2 or samples < 1 or seed < 0:
    raise UserError(
      f"{config_key}: adding() needs a length of 2 or more, a sample or more, a seed of 0 or more"
    )
  if length * samples > LARGEST:
    raise UserError(
      f"{config_key}: adding(length={length}, samples={samples}) is drawn at once; their product "
      f"is at most {LARGEST:,}"
    )
  draw = np.random.Generator(np.random.PCG64(seed))
  number_BT = draw.random((samples, length), np.float32)
  half = length // 2
  places = draw.integers(0, half, samples), draw.integers(half, length, samples)
  row_B, mark_BT = np.arange(samples), np.zeros_like(number_BT)
  target_B = np.zeros(samples, np.float32)
  for place_B in places:
    mark_BT[row_B, place_B] = 1
    target_B += number_BT[row_B, place_B]
  return Table({"x_BTD": np.stack([number_BT, mark_BT], -1), "target_B": target_B})
