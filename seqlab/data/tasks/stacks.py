"""Tasks of the Chomsky hierarchy that take a stack or a tape (Deletang 2023, arXiv:2207.02098,
appendix A) and write several symbols, or find one that is missing.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from seqlab.data.tasks.base import Asked
from seqlab.data.tasks.chomsky import Asking, Rewriting
from seqlab.data.tasks.draws import Draws


class StackManipulation(Asked):
  """A stack of zeros and ones, its bottom first, then what is done to it; the stack that is left is
  written from its top, and "end" behind it. Nothing is popped from an empty one.
  """

  alphabet: ClassVar = ("0", "1", "pop", "push0", "push1", "end")

  @property
  def choices(self) -> int:
    return 3

  def answers(self, length: int) -> int:
    return length + 1

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    high_B = 1 + draws.integers(size_B[:, None])[:, 0]
    stack_BN = draws.integers(2, length)
    action_BN = draws.integers(3, length)
    x_BN = np.where(np.arange(length) < high_B[:, None], stack_BN, 2 + action_BN)
    first_B, rows = high_B, np.arange(len(size_B))
    for t in range(1, length):
      acts_B = (t >= first_B) & (t < size_B)
      pushes_B = acts_B & (action_BN[:, t] > 0)
      stack_BN[rows[pushes_B], high_B[pushes_B]] = action_BN[pushes_B, t] - 1
      pops_B = acts_B & ~pushes_B & (high_B > 0)
      high_B = high_B + pushes_B - pops_B
    from_BA = high_B[:, None] - 1 - np.arange(length + 1)
    answer_BA = np.take_along_axis(stack_BN, np.clip(from_BA, 0, length - 1), 1)
    return x_BN, np.where(from_BA >= 0, answer_BA, 5), high_B + 1


class MissingDuplicate(Rewriting):
  """A string stands there twice, without one of its symbols: which it was. Of odd lengths one less
  counts.
  """

  @property
  def shortest(self) -> int:
    return 2

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*super().alphabet, "?")

  @property
  def choices(self) -> int:
    return self.letters

  def answers(self, length: int) -> int:
    return 1

  def sizes(self, size_B: np.ndarray) -> np.ndarray:
    return size_B - size_B % 2

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    half_B1 = size_B[:, None] // 2
    x_BN = draws.integers(self.letters, length)
    x_BN = np.take_along_axis(x_BN, np.arange(length) % half_B1, 1)
    at_B1 = draws.integers(2 * half_B1)
    missing_B1 = np.take_along_axis(x_BN, at_B1, 1)
    np.put_along_axis(x_BN, at_B1, self.letters, 1)
    return x_BN, missing_B1, 1


@dataclasses.dataclass(frozen=True)
class Binary(Asked):
  """Two binary numbers with a sign between them, their lowest bits first; so is the answer, whose
  end "end" marks.
  """

  sign: ClassVar[str]
  value: ClassVar[Callable[[int, int], int]]

  @property
  def alphabet(self) -> tuple[str, ...]:
    return ("0", "1", self.sign, "end")

  @property
  def choices(self) -> int:
    return 3  # no sign

  @property
  def shortest(self) -> int:
    return 3

  def answers(self, length: int) -> int:
    return length + 1

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN, answer_BA = draws.integers(2, length), np.full((len(size_B), length + 1), 3)
    at_B1 = 1 + draws.integers(size_B[:, None] - 2)
    np.put_along_axis(x_BN, at_B1, 2, 1)
    count_B = np.zeros_like(size_B)
    for row, (size, at) in enumerate(zip(size_B.tolist(), at_B1[:, 0].tolist(), strict=True)):
      a, b = number(x_BN[row, :at]), number(x_BN[row, at + 1 : size])
      bits = [int(bit) for bit in f"{type(self).value(a, b):b}"[::-1]]
      answer_BA[row, : len(bits)] = bits
      count_B[row] = len(bits) + 1
    return x_BN, answer_BA, count_B


class BinaryAddition(Binary):
  """Their sum."""

  sign = "+"
  value = int.__add__


class BinaryMultiplication(Binary):
  """Their product."""

  sign = "*"
  value = int.__mul__


class ComputeSqrt(Asked):
  """The whole part of the square root of a binary number; the highest bits first, of both."""

  alphabet: ClassVar = ("0", "1")

  def answers(self, length: int) -> int:
    return (length + 1) // 2

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN, most = draws.integers(2, length), self.answers(length)
    answer_BA, count_B = np.zeros((len(size_B), most), np.int64), (size_B + 1) // 2
    for row, (size, count) in enumerate(zip(size_B.tolist(), count_B.tolist(), strict=True)):
      root = math.isqrt(number(x_BN[row, :size][::-1]))
      answer_BA[row, :count] = [int(bit) for bit in f"{root:0{count}b}"]
    return x_BN, answer_BA, count_B


def number(bits_N: np.ndarray) -> int:
  """A number of any size from its bits, the lowest first."""
  return sum(bit << i for i, bit in enumerate(bits_N.tolist()))
