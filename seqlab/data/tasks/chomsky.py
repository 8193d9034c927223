"""Tasks of the Chomsky hierarchy (Deletang 2023, arXiv:2207.02098, appendix A), by what kind of
machine it takes: finite state, a stack, a tape.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from seqlab.data.tasks.base import Asked
from seqlab.data.tasks.draws import Draws

Asking = tuple[np.ndarray, np.ndarray, np.ndarray | int]


def inside(size_B: np.ndarray, length: int) -> np.ndarray:
  """bool [B, length]: the first size_B of each row."""
  return np.arange(length) < size_B[:, None]


def digits(n: int) -> tuple[str, ...]:
  return tuple(map(str, range(n)))


class EvenPairs(Asked):
  """Whether "ab" and "ba" are an even number together, which is whether both ends are alike."""

  alphabet: ClassVar = ("a", "b")

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(2, length)
    last_B1 = np.take_along_axis(x_BN, size_B[:, None] - 1, 1)
    return x_BN, (x_BN[:, :1] != last_B1).astype(np.int64), 1


class Parity(Asked):
  """Whether the number of ones is odd."""

  alphabet: ClassVar = ("0", "1")

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(2, length)
    return x_BN, np.sum(x_BN * inside(size_B, length), 1, keepdims=True) % 2, 1


@dataclasses.dataclass(frozen=True)
class CycleNavigation(Asked):
  """Where on a circle of `states` one stands after steps of -1, 0 and +1 from 0."""

  states: int = 5

  def check(self) -> str:
    return "" if self.states >= 3 else f"states={self.states}: 3 or more are wanted"

  @property
  def alphabet(self) -> tuple[str, ...]:
    return digits(self.states)

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(3, length)  # 0, 1 and 2 stand for the steps
    where_B1 = np.sum((x_BN - 1) * inside(size_B, length), 1, keepdims=True)
    return x_BN, where_B1 % self.states, 1


@dataclasses.dataclass(frozen=True)
class ModularArithmetic(Asked):
  """The value of a sum of products without brackets, modulo `modulus`; of even lengths one less
  counts, since numbers and operators alternate.
  """

  modulus: int = 5

  operators: ClassVar = ("+", "-", "*")

  def check(self) -> str:
    return "" if self.modulus >= 2 else f"modulus={self.modulus}: 2 or more is wanted"

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.modulus), *self.operators)

  @property
  def choices(self) -> int:
    return self.modulus

  def sizes(self, size_B: np.ndarray) -> np.ndarray:
    return size_B - (size_B % 2 == 0)

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    number_BN, operator_BN = draws.integers(self.modulus, length), draws.integers(3, length)
    x_BN = np.where(np.arange(length) % 2, self.modulus + operator_BN, number_BN)
    total_B, product_B, sign_B = np.zeros_like(size_B), x_BN[:, 0], np.ones_like(size_B)
    for i in range(1, length - 1, 2):
      more_B, operator_B, number_B = i + 1 < size_B, x_BN[:, i] - self.modulus, x_BN[:, i + 1]
      times_B = operator_B == 2
      ends_B = more_B & ~times_B  # the product that stood before is whole
      total_B = np.where(ends_B, total_B + sign_B * product_B, total_B) % self.modulus
      sign_B = np.where(ends_B, 1 - 2 * operator_B, sign_B)
      product_B = np.where(more_B & times_B, product_B * number_B, product_B) % self.modulus
      product_B = np.where(ends_B, number_B, product_B)
    return x_BN, ((total_B + sign_B * product_B) % self.modulus)[:, None], 1


@dataclasses.dataclass(frozen=True)
class Rewriting(Asked):
  """A task that writes a string as another, over `letters` symbols."""

  letters: int = 2

  def check(self) -> str:
    return "" if self.letters >= 2 else f"letters={self.letters}: 2 or more are wanted"

  @property
  def alphabet(self) -> tuple[str, ...]:
    return digits(self.letters)

  def answers(self, length: int) -> int:
    return length


class ReverseString(Rewriting):
  """The string from its end to its beginning."""

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(self.letters, length)
    from_BN = np.maximum(size_B[:, None] - 1 - np.arange(length), 0)
    return x_BN, np.take_along_axis(x_BN, from_BN, 1), size_B


class DuplicateString(Rewriting):
  """The string twice."""

  def answers(self, length: int) -> int:
    return 2 * length

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(self.letters, length)
    return x_BN, np.take_along_axis(x_BN, np.arange(2 * length) % size_B[:, None], 1), 2 * size_B


class OddsFirst(Rewriting):
  """The symbols at odd places (the first, the third, ...), then those at even ones."""

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN, time_N, size_B1 = draws.integers(self.letters, length), np.arange(length), size_B[:, None]
    odd_B1 = (size_B1 + 1) // 2
    from_BN = np.where(time_N < odd_B1, 2 * time_N, 2 * (time_N - odd_B1) + 1)
    return x_BN, np.take_along_axis(x_BN, np.clip(from_BN, 0, length - 1), 1), size_B


@dataclasses.dataclass(frozen=True)
class BucketSort(Rewriting):
  """The symbols in their order."""

  letters: int = 5

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(self.letters, length)
    return x_BN, np.sort(np.where(inside(size_B, length), x_BN, self.letters), 1), size_B
