"""What several seeds come to."""

import math
import statistics
from collections.abc import Sequence

# Two-sided 97.5% points of Student's t for 1 to 9 degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def student(values: Sequence[float]) -> tuple[float, float]:
  """The mean of 2 to 10 values and the half-width of its 95% interval, by Student's t."""
  n = len(values)
  half = STUDENT[n - 2] * statistics.stdev(values) / math.sqrt(n)
  return statistics.fmean(values), half
