"""Which source each row of a mixture comes from: a pure function of the row's number, so resume is
exact.

Rows come in blocks; in every block each source has exactly its share of the rows, in an order of
the block's own. Row r of the run is row `rank` of its source's own sequence, which therefore has no
gaps.
"""

from fractions import Fraction
from math import gcd, lcm

import numpy as np

from seqlab.data.permutation import permute
from seqlab.errors import UserError

_LARGEST = 4096  # rows of a block


class Mixture:
  """`counts[k]` rows of source k in every block of `block` rows."""

  def __init__(self, weights: tuple[float, ...], seed: int):
    self._seed = seed
    self.counts = _shares(weights)
    self.block = int(self.counts.sum())

  def place(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (source, rank) of each row: rank counts the earlier rows of the same source."""
    if len(self.counts) == 1:
      return np.zeros_like(row), row
    block, slot = np.divmod(row, self.block)
    for number in np.unique(block):
      here = block == number
      slot[here] = permute(slot[here], self.block, self._seed, int(number), "mixture")
    ends = np.cumsum(self.counts)
    source = np.searchsorted(ends, slot, "right")
    return source, block * self.counts[source] + slot - (ends - self.counts)[source]


def divide(total: int, weights: tuple[float, ...]) -> np.ndarray:
  """Divides `total` rows in proportion to the weights, by largest remainders."""
  exact = np.array(weights) / sum(weights) * total
  counts = np.floor(exact).astype(np.int64)
  short = total - counts.sum()
  counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
  return counts


def _shares(weights: tuple[float, ...]) -> np.ndarray:
  """The smallest whole numbers in proportion to the weights, or the nearest that fit a block."""
  parts = [Fraction(str(w)) for w in weights]
  common = lcm(*(p.denominator for p in parts))
  whole = [int(p * common) for p in parts]
  whole = [w // gcd(*whole) for w in whole]
  counts = np.array(whole) if sum(whole) <= _LARGEST else divide(_LARGEST, weights)
  if not counts.all():
    raise UserError(
      f"config.data.source: weight {min(weights):g} is below a {_LARGEST}th of all weights; "
      "raise it or drop the source"
    )
  return counts.astype(np.int64)
