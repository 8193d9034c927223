"""Whether systems that were run on the same seeds can be told apart, and how far apart they would
have to be.

The same seed gives two architectures the same order of data, so their difference is taken seed by
seed: Student's paired test, for the several pairs of a comparison with Holm's correction (1979).
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEVEL = 0.05  # of all tests of a comparison together
POWER = 0.8  # with which a detectable difference would be found


class Paired(NamedTuple):
  """`difference` of the means of two systems with the half-width of its 95% interval; `p` of the
  test that it is 0, `holm` the same for all pairs together; `detectable`: the difference that this
  many seeds would show alone, at LEVEL with POWER. NaN where one seed says nothing.
  """

  difference: float
  half: float
  p: float
  holm: float
  detectable: float

  @property
  def apart(self) -> bool:
    """Whether the two can be told apart."""
    return self.holm < LEVEL


def pairs_of(values: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], Paired]:
  """Of each pair of systems, in the order of `values`, the first less the second.

  values: of each system the number of each seed, of the same seeds in the same order.

  Raises:
    ValueError: they are not of as many seeds.
  """
  found = {
    pair: _paired([a - b for a, b in zip(values[pair[0]], values[pair[1]], strict=True)])
    for pair in itertools.combinations(values, 2)
  }
  together = holm([one.p for one in found.values()])
  return {
    pair: one._replace(holm=p) for (pair, one), p in zip(found.items(), together, strict=True)
  }


def _paired(differences: Sequence[float]) -> Paired:
  from scipy.special import stdtr, stdtrit  # of jax's own needs

  n, mean, nan = len(differences), statistics.fmean(differences), math.nan
  if n < 2:
    return Paired(mean, nan, nan, nan, nan)
  error = statistics.stdev(differences) / math.sqrt(n)
  half = float(stdtrit(n - 1, 1 - LEVEL / 2)) * error
  if error <= 1e-9 * abs(mean):  # every seed says the same: all that is known is its sign
    return Paired(mean, half, 2.0 ** (1 - n) if mean else 1.0, nan, nan)
  p = 2 * float(stdtr(n - 1, -abs(mean) / error))
  return Paired(mean, half, p, nan, detectable(n) * error * math.sqrt(n))


def holm(ps: Sequence[float]) -> list[float]:
  """P-values of tests that are made together: below a level, the chance that any of them is wrong
  is below it. A NaN counts as a test and stays one.
  """
  order = sorted(range(len(ps)), key=lambda i: (math.isnan(ps[i]), ps[i]))
  corrected, least = [math.nan] * len(ps), 0.0
  for done, i in enumerate(order):
    if not math.isnan(ps[i]):
      least = corrected[i] = max(least, min(1.0, (len(ps) - done) * ps[i]))
  return corrected


def detectable(n: int) -> float:
  """The mean of n >= 2 normal numbers, in their standard deviations, that Student's test at LEVEL
  finds to be other than 0 with POWER: by the noncentral t distribution.
  """
  from scipy.special import nctdtr, stdtrit

  bound, root = float(stdtrit(n - 1, 1 - LEVEL / 2)), math.sqrt(n)
  low, high = 0.0, 1.0

  def power(mean: float) -> float:
    return float(1 - nctdtr(n - 1, mean * root, bound) + nctdtr(n - 1, mean * root, -bound))

  while power(high) < POWER:
    high *= 2
  for _ in range(50):
    middle = (low + high) / 2
    low, high = (middle, high) if power(middle) < POWER else (low, middle)
  return high


def ranks(
  values: Mapping[str, Sequence[float]], pairs: Mapping[tuple[str, str], Paired], lower: bool
) -> dict[str, tuple[int, int]]:
  """The best and the worst rank that each system may have, for all that can be told apart; best
  mean first. lower: whether lower is better.
  """
  sign = 1 if lower else -1
  better = dict.fromkeys(values, 0)
  worse = dict.fromkeys(values, 0)
  for (one, other), found in pairs.items():
    if found.apart:
      first, second = (one, other) if sign * found.difference < 0 else (other, one)
      better[second] += 1
      worse[first] += 1
  order = sorted(values, key=lambda name: sign * statistics.fmean(values[name]))
  return {name: (1 + better[name], len(values) - worse[name]) for name in order}
