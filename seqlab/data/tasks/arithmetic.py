"""Arithmetic modulo a prime, all of whose examples can be listed: what networks come to understand
long after they know the training examples by heart (Power 2022, arXiv:2201.02177, appendix A.1).
"""

import dataclasses

import numpy as np

from seqlab.data.permutation import permute
from seqlab.data.tasks.base import Asked
from seqlab.data.tasks.chomsky import Asking, digits
from seqlab.data.tasks.draws import Draws
from seqlab.errors import nearest

OPERATIONS = ("add", "subtract", "multiply", "divide")


@dataclasses.dataclass(frozen=True)
class Modular(Asked):
  """a `operation` b modulo a prime, each pair once; b is not 0 where it divides. `count` is that of
  all pairs.
  """

  prime: int = 97
  operation: str = "divide"
  count: int = 0

  def check(self) -> str:
    if self.operation not in OPERATIONS:
      near = nearest(self.operation, OPERATIONS)
      return f"operation={self.operation!r}{near}: choose from {', '.join(OPERATIONS)}"
    if self.prime > 10_000:
      return "prime is above 10,000"
    if self.prime < 2 or any(self.prime % n == 0 for n in range(2, int(self.prime**0.5) + 1)):
      return f"prime={self.prime} is none"
    if self.count:
      return f"count={self.count}: it has all {self.examples} pairs; leave it out"
    return ""

  @property
  def examples(self) -> int:
    return self.prime * (self.prime - (self.operation == "divide"))

  @property
  def listed(self) -> bool:
    return True

  @property
  def shortest(self) -> int:
    return 4

  @property
  def longest(self) -> int:
    return 4

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.prime), self.operation, "=")

  @property
  def choices(self) -> int:
    return self.prime

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    place_B = permute(draws.index_B.astype(np.int64), self.examples, self.seed, "pairs")
    a_B, b_B = place_B % self.prime, place_B // self.prime
    b_B = b_B + (self.operation == "divide")
    found_B = {
      "add": a_B + b_B,
      "subtract": a_B - b_B,
      "multiply": a_B * b_B,
      "divide": a_B * np.array([pow(int(b), -1, self.prime) if b else 0 for b in b_B]),
    }[self.operation]
    shape = a_B.shape
    said = (a_B, np.full(shape, self.prime), b_B, np.full(shape, self.prime + 1))
    return np.stack(said, 1), (found_B % self.prime)[:, None], 1
