"""Word problems of groups (Merrill 2024, arXiv:2404.08819, section 5; Liu 2023, arXiv:2210.10749):
the product of all elements so far, told at every place. That of S5 and A5 is complete for NC1.
"""

import dataclasses
import functools
import itertools

import numpy as np

from seqlab.data.tasks.base import Drawn, Task
from seqlab.data.tasks.draws import Draws


@functools.cache
def permutations(points: int, even: bool) -> tuple[tuple[int, ...], ...]:
  """Those of so many points, or the even ones, the identity first."""

  def odd(p: tuple[int, ...]) -> int:
    return sum(p[i] > p[j] for i in range(points) for j in range(i + 1, points)) % 2

  return tuple(p for p in itertools.permutations(range(points)) if not (even and odd(p)))


@functools.cache
def products(points: int, even: bool) -> np.ndarray:
  """int [G, G]: the element that acts as the first and then as the second."""
  elements = permutations(points, even)
  number = {p: i for i, p in enumerate(elements)}
  return np.array([[number[tuple(q[i] for i in p)] for q in elements] for p in elements])


@dataclasses.dataclass(frozen=True)
class WordProblem(Task):
  """Permutations of `points` points; `even`: the even ones alone."""

  points: int = 5
  even: bool = False

  def check(self) -> str:
    return "" if 2 <= self.points <= 5 else f"points={self.points}: 2 to 5 are wanted"

  @property
  def symbols(self) -> tuple[str, ...]:
    return tuple("".join(map(str, p)) for p in permutations(self.points, self.even))

  def answers(self, length: int) -> int:
    return length

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    table = products(self.points, self.even)
    x_BT = draws.integers(len(table), length)
    answer_BT = np.empty_like(x_BT)
    so_far_B = np.zeros_like(size_B)
    for t in range(length):
      so_far_B = answer_BT[:, t] = table[so_far_B, x_BT[:, t]]
    at_BT = np.broadcast_to(np.arange(length), x_BT.shape)
    return Drawn(x_BT, size_B, at_BT, answer_BT, size_B)
