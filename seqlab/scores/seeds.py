"""What several seeds come to."""

import math
import statistics
from collections.abc import Sequence


def student(values: Sequence[float]) -> tuple[float, float]:
  """The mean of two values or more and the half-width of its 95% interval, by Student's t."""
  from scipy.special import stdtrit  # of jax's own needs

  n = len(values)
  half = float(stdtrit(n - 1, 0.975)) * statistics.stdev(values) / math.sqrt(n)
  return statistics.fmean(values), half
