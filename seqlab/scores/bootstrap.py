"""Intervals over examples by the bootstrap (Efron 1979), for any score of a set of examples.

The same seed draws the same samples, so two systems on the same examples are compared on the same
samples: paired, as Koehn 2004 does for translations.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

Score = Callable[[np.ndarray], float]  # of the numbers of the examples that count, with repetitions


class Interval(NamedTuple):
  """A score of all examples, and the middle 95% of what samples of them give."""

  value: float
  low: float
  high: float

  def __str__(self) -> str:
    return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def interval(score: Score, examples: int, samples: int = 1000, seed: int = 0) -> Interval:
  """The score of `examples` examples with its interval. Samples in which it is not defined (NaN) do
  not count; where all are, the interval is NaN.

  Raises:
    ValueError: there are no examples.
  """
  if examples < 1:
    raise ValueError("no examples, no score")
  found = [score(index) for index in _draws(examples, samples, seed)]
  found = [value for value in found if not np.isnan(value)] or [np.nan]
  low, high = np.percentile(found, [2.5, 97.5])
  return Interval(score(np.arange(examples)), float(low), float(high))


def paired(one: Score, other: Score, examples: int, samples: int = 1000, seed: int = 0) -> Interval:
  """`one` less `other` on the same examples."""
  return interval(lambda index: one(index) - other(index), examples, samples, seed)


def mean_of(values: np.ndarray) -> Score:
  """The mean of the examples' own values, such as accuracy."""
  values = np.asarray(values, np.float64)
  return lambda index: float(values[index].mean())


def _draws(examples: int, samples: int, seed: int) -> Iterator[np.ndarray]:
  random = np.random.default_rng(seed)
  for _ in range(samples):
    yield random.integers(0, examples, examples)
