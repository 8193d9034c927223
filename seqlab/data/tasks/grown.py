"""Expressions that grow as trees: arithmetic with brackets (Deletang 2023, arXiv:2207.02098,
appendix A), ListOps (Nangia & Bowman 2018, arXiv:1804.06028), and strings of brackets.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from seqlab.data.tasks.base import Asked, Drawn, Task
from seqlab.data.tasks.chomsky import Asking, digits
from seqlab.data.tasks.draws import Draws


def median(x: list[int]) -> int:
  """Rounded down, as ListOps does."""
  return sum(sorted(x)[n] for n in ((len(x) - 1) // 2, len(x) // 2)) // 2


OPERATIONS: dict[str, Callable[[list[int]], int]] = dict(
  MIN=min, MAX=max, MED=median, SM=lambda x: sum(x) % 10
)


class Grown(Asked):
  """A task whose questions are made one by one."""

  @abc.abstractmethod
  def grow(self, draw: np.random.Generator, size: int) -> tuple[list[str], str]:
    """A question of `size` symbols, and its answer."""

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    number = {symbol: i for i, symbol in enumerate(self.symbols)}
    x_BN, answer_B1 = np.zeros((len(size_B), length), np.int64), np.zeros((len(size_B), 1), int)
    for row, (size, seed) in enumerate(zip(size_B.tolist(), draws.bits(1)[:, 0], strict=True)):
      words, answer = self.grow(np.random.Generator(np.random.PCG64(int(seed))), size)
      x_BN[row, :size] = [number[word] for word in words]
      answer_B1[row] = number[answer]
    return x_BN, answer_B1, 1


@dataclasses.dataclass(frozen=True)
class ModularArithmeticBrackets(Grown):
  """The value of an expression of +, -, *, brackets and signs, modulo `modulus`."""

  operators: ClassVar = "+-*"

  modulus: int = 5

  def check(self) -> str:
    return "" if 2 <= self.modulus <= 10 else f"modulus={self.modulus}: 2 to 10 are wanted"

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.modulus), *self.operators, "(", ")")

  @property
  def choices(self) -> int:
    return self.modulus

  def grow(self, draw: np.random.Generator, size: int) -> tuple[list[str], str]:
    words, value = self.expression(draw, size)
    return words, str(value)

  def expression(self, draw: np.random.Generator, size: int) -> tuple[list[str], int]:
    """Of just so many symbols."""
    if size < 5:
      digit = int(draw.integers(self.modulus))
      words = {1: [], 2: ["-"], 3: ["("], 4: ["(", "-"]}[size]
      value = digit if size % 2 else -digit % self.modulus
      return [*words, str(digit), *([")"] if size > 2 else [])], value
    first = int(draw.integers(1, size - 3))
    (left, a), (right, b) = (self.expression(draw, n) for n in (first, size - 3 - first))
    sign = self.operators[draw.integers(len(self.operators))]
    value = {"+": a + b, "-": a - b, "*": a * b}[sign] % self.modulus
    return ["(", *left, sign, *right, ")"], value


@dataclasses.dataclass(frozen=True)
class SolveEquation(ModularArithmeticBrackets):
  """The digit that stands for x in an expression of known value. There is no *, so that one digit
  alone does.
  """

  operators: ClassVar = "+-"

  @property
  def shortest(self) -> int:
    return 3

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*super().alphabet, "x", "=")

  def grow(self, draw: np.random.Generator, size: int) -> tuple[list[str], str]:
    words, value = self.expression(draw, size - 2)
    at = draw.choice([i for i, word in enumerate(words) if word.isdigit()])
    return [*words[:at], "x", *words[at + 1 :], "=", str(value)], words[at]


@dataclasses.dataclass(frozen=True)
class Listops(Grown):
  """The value of nested lists of digits under MIN, MAX, MED (the median, rounded down) and SM (the
  sum modulo 10); of at most `arguments` members and `depth` lists in one another.
  """

  arguments: int = 10
  depth: int = 10

  def check(self) -> str:
    fits = 2 <= self.arguments <= 100 and 1 <= self.depth <= 20
    return "" if fits else "arguments of 2 to 100 and a depth of 1 to 20 are wanted"

  @property
  def shortest(self) -> int:
    return 3

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(10), *(f"[{name}" for name in OPERATIONS), "]")

  @property
  def choices(self) -> int:
    return 10

  @property
  def longest(self) -> int:
    return full(self.arguments, self.depth)

  def grow(self, draw: np.random.Generator, size: int) -> tuple[list[str], str]:
    words, value = self._list(draw, size, self.depth)
    return words, str(value)

  def _list(self, draw: np.random.Generator, size: int, depth: int) -> tuple[list[str], int]:
    name = list(OPERATIONS)[draw.integers(len(OPERATIONS))]
    words, values = [f"[{name}"], []
    for part in self._parts(draw, size - 2, depth - 1):
      if part == 1:
        made, value = None, int(draw.integers(10))
      else:
        made, value = self._list(draw, part, depth - 1)
      words += made or [str(value)]
      values.append(value)
    return [*words, "]"], OPERATIONS[name](values)

  def _parts(self, draw: np.random.Generator, size: int, depth: int) -> list[int]:
    """Sizes of a list's members, 1 for a digit and 3 or more for a list, their sum `size`."""
    room = 1 << size.bit_length()  # so that lists of many sizes share a table
    most = min(full(self.arguments, depth), room)  # 1 without depth
    sums = reachable(most, room, self.arguments)
    counts = [n for n in range(1, self.arguments + 1) if sums[n, size]]
    count, parts = int(draw.choice([n for n in counts if n > 1] or counts)), []
    for left in reversed(range(count)):
      (fits,) = sums[left, :size][::-1][:most].nonzero()  # a member is one symbol more
      fits = fits[fits != 1]
      parts.append(1 + int(fits[draw.integers(len(fits))]))
      size -= parts[-1]
    draw.shuffle(parts)
    return parts


@functools.cache
def full(arguments: int, depth: int) -> int:
  """Symbols of lists that are full, `depth` of them in one another."""
  return 2 * sum(arguments**n for n in range(depth)) + arguments**depth


@functools.cache
def reachable(most: int, size: int, members: int) -> np.ndarray:
  """bool [members + 1, size + 1]: whether so many members, each of 1 or of 3 to `most` symbols, can
  have so many together.
  """
  sums = np.zeros((members + 1, size + 1), bool)
  sums[0, 0] = True
  for n in range(1, members + 1):
    for part in (1, *range(3, most + 1)):
      sums[n, part:] |= sums[n - 1, : size + 1 - part]
  return sums


@dataclasses.dataclass(frozen=True)
class Dyck(Task):
  """Brackets of `kinds`, at most `depth` in one another: at every place, what would close the
  innermost that is open, or "." where none is (Hewitt 2020, arXiv:2010.07515).
  """

  kinds: int = 2
  depth: int = 4

  def check(self) -> str:
    return "" if min(self.kinds, self.depth) >= 1 else "kinds and depth of 1 or more are wanted"

  @property
  def symbols(self) -> tuple[str, ...]:
    sides = (f"{side}{kind}" for side in "()" for kind in range(self.kinds))
    return (*sides, ".")

  @property
  def choices(self) -> int:
    return self.kinds + 1

  def answers(self, length: int) -> int:
    return length

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    rows = np.arange(len(size_B))
    stack_BD = np.zeros((len(size_B), self.depth), np.int64)
    high_B = np.zeros_like(size_B)
    x_BT, answer_BT = np.zeros((2, len(size_B), length), np.int64)
    opens_BT, kind_BT = draws.integers(2, length), draws.integers(self.kinds, length)
    for t in range(length):
      opens_B = (high_B == 0) | ((high_B < self.depth) & (opens_BT[:, t] == 1))
      top_B = stack_BD[rows, np.maximum(high_B - 1, 0)]
      x_BT[:, t] = np.where(opens_B, kind_BT[:, t], self.kinds + top_B)
      stack_BD[rows[opens_B], high_B[opens_B]] = kind_BT[opens_B, t]
      high_B = high_B + np.where(opens_B, 1, -1)
      top_B = stack_BD[rows, np.maximum(high_B - 1, 0)]
      answer_BT[:, t] = np.where(high_B > 0, self.kinds + top_B, 2 * self.kinds)
    at_BT = np.broadcast_to(np.arange(length), x_BT.shape)
    return Drawn(x_BT, size_B, at_BT, answer_BT, size_B)
