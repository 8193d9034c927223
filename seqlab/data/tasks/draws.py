"""Random numbers of examples, each a function of who asks, of the example's index and of nothing
else: any example can be made at any time, in any company.
"""

import numpy as np

from seqlab.data.permutation import keys, mixed

_STEP = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's


class Draws:
  """Numbers for examples `index_B`. Every call gives new ones; the same calls in the same order
  give the same numbers.
  """

  def __init__(self, index_B: np.ndarray, *names: int | str):
    self.rows, self._names, self._calls = len(index_B), names, 0
    self.index_B = np.asarray(index_B).astype(np.uint64)

  def bits(self, n: int) -> np.ndarray:
    """uint64 [B, n]."""
    self._calls += 1
    (key,) = keys(*self._names, self._calls, count=1)
    with np.errstate(over="ignore"):
      start_B = mixed(self.index_B * _STEP + key)
      return mixed(start_B[:, None] + np.arange(1, n + 1, dtype=np.uint64) * _STEP)

  def uniform(self, n: int) -> np.ndarray:
    """float64 [B, n], from 0 to below 1."""
    return (self.bits(n) >> np.uint64(11)) * 2.0**-53

  def integers(self, below: int | np.ndarray, n: int = 1) -> np.ndarray:
    """int64 [B, n], from 0 to below `below`, a number or an array [B, 1] or [n], at most 2^32."""
    high = (self.bits(n) >> np.uint64(32)) * np.asarray(below).astype(np.uint64)
    return (high >> np.uint64(32)).astype(np.int64)

  def order(self, n: int) -> np.ndarray:
    """A permutation of 0 to n - 1 in each row, int64 [B, n]."""
    return np.argsort(self.bits(n), 1)

  def distinct(self, below: int, n: int) -> np.ndarray:
    """`n` different numbers below `below` in each row, in random order, int64 [B, n] (Floyd's
    algorithm, Bentley and Floyd 1987).
    """
    chosen = np.full((self.rows, n), -1, np.int64)
    draws = self.integers(np.arange(below - n, below) + 1, n)
    for i in range(n):
      there_B = (chosen[:, :i] == draws[:, i, None]).any(1)
      chosen[:, i] = np.where(there_B, below - n + i, draws[:, i])
    return np.take_along_axis(chosen, self.order(n), 1)

  def weighted(self, weight_N: np.ndarray, n: int) -> np.ndarray:
    """`n` different numbers in each row, drawn one after another with these weights, int64 [B, n]
    (the largest of log weight + Gumbel noise).
    """
    noise = -np.log(-np.log(self.uniform(len(weight_N)) + 2.0**-54))
    return np.argsort(-(np.log(weight_N) + noise), 1)[:, :n]
