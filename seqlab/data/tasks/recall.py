"""Tasks of remembering: associative recall, copying, induction."""

import dataclasses

import numpy as np

from seqlab.data.tasks.base import Asked, Drawn, Task
from seqlab.data.tasks.chomsky import Asking, digits
from seqlab.data.tasks.draws import Draws


@dataclasses.dataclass(frozen=True)
class Mqar(Task):
  """Multi-query associative recall (Zoology, Arora 2023, arXiv:2312.04927, section 4 and the
  authors' code): `pairs` of a key and its value, then each key once more among blanks, at gaps that
  follow a power law; the value is told where the key is read. Keys are the first half of `vocab`
  symbols without 0, values the other half. noise: random symbols in place of blanks.
  """

  pairs: int = 4
  vocab: int = 8192
  power: float = 0.01
  noise: bool = False

  def check(self) -> str:
    if not 1 <= self.pairs < self.vocab // 2 or not self.power > 0:
      return f"pairs of 1 to vocab / 2 - 1 = {self.vocab // 2 - 1} and a power above 0 are wanted"
    if self.least not in (0, self.length):
      return f"least={self.least}: its rows are of one length; leave it out"
    if self.length and self.length < 4 * self.pairs:
      return f"length={self.length}: pairs and queries take {4 * self.pairs}"
    return ""

  @property
  def shortest(self) -> int:
    return 4 * self.pairs

  @property
  def symbols(self) -> tuple[str, ...]:
    return digits(self.vocab)

  @property
  def choices(self) -> int:
    return self.vocab - self.vocab // 2

  def answers(self, length: int) -> int:
    return self.pairs

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    half = self.vocab // 2
    keys_BP = 1 + draws.distinct(half - 1, self.pairs)
    values_BP = half + draws.distinct(self.vocab - half, self.pairs)
    tokens_BT = np.zeros((len(size_B), length), np.int64)
    if self.noise:
      tokens_BT = draws.integers(self.vocab, length)
    tokens_BT[:, : 2 * self.pairs : 2], tokens_BT[:, 1 : 2 * self.pairs : 2] = keys_BP, values_BP
    place_N = np.arange(1, (length - 2 * self.pairs) // 2 + 1)
    at_BP = 2 * self.pairs + 2 * draws.weighted(place_N ** (self.power - 1), self.pairs)
    np.put_along_axis(tokens_BT, at_BP, keys_BP, 1)
    return Drawn(tokens_BT, size_B, at_BP, values_BP, np.full(len(size_B), self.pairs))


@dataclasses.dataclass(frozen=True)
class InductionHeads(Asked):
  """What followed the special symbol when it came before: it comes once, and once more at the end
  (Mamba, arXiv:2312.00752, section 4.1.2).
  """

  letters: int = 16

  def check(self) -> str:
    return "" if self.letters >= 2 else f"letters={self.letters}: 2 or more are wanted"

  @property
  def shortest(self) -> int:
    return 3

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.letters), "!")

  @property
  def choices(self) -> int:
    return self.letters

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    x_BN = draws.integers(self.letters, length)
    at_B1 = draws.integers(size_B[:, None] - 2)
    np.put_along_axis(x_BN, at_B1, self.letters, 1)
    np.put_along_axis(x_BN, size_B[:, None] - 1, self.letters, 1)
    return x_BN, np.take_along_axis(x_BN, at_B1 + 1, 1), 1


@dataclasses.dataclass(frozen=True)
class Remembering(Asked):
  """A task that writes down `tokens` symbols of its question."""

  tokens: int = 10
  letters: int = 8

  def check(self) -> str:
    return "" if min(self.tokens, self.letters - 1) >= 1 else "tokens of 1 or more, letters of 2"

  @property
  def choices(self) -> int:
    return self.letters

  def answers(self, length: int) -> int:
    return self.tokens


@dataclasses.dataclass(frozen=True)
class SelectiveCopying(Remembering):
  """`tokens` symbols stand scattered among noise, and are written down in their order (Mamba,
  arXiv:2312.00752, section 4.1.1).
  """

  tokens: int = 16
  letters: int = 14

  @property
  def shortest(self) -> int:
    return self.tokens

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.letters), ".")

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    told_BA = draws.integers(self.letters, self.tokens)
    # the places whose random numbers are smallest, of those that the question has
    rank = np.where(np.arange(length) < size_B[:, None], draws.uniform(length), 2)
    at_BA = np.sort(np.argsort(rank, 1)[:, : self.tokens], 1)
    x_BN = np.full((len(size_B), length), self.letters)
    np.put_along_axis(x_BN, at_BA, told_BA, 1)
    return x_BN, told_BA, self.tokens


class Copying(Remembering):
  """`tokens` symbols, a long wait, and then they are written down (Hochreiter & Schmidhuber 1997;
  Arjovsky 2016, arXiv:1511.06464, section 5.1). "!" ends the wait.
  """

  @property
  def shortest(self) -> int:
    return self.tokens + 1

  @property
  def alphabet(self) -> tuple[str, ...]:
    return (*digits(self.letters), ".", "!")

  def ask(self, draws: Draws, size_B: np.ndarray, length: int) -> Asking:
    told_BA = draws.integers(self.letters, self.tokens)
    x_BN = np.full((len(size_B), length), self.letters)
    x_BN[:, : self.tokens] = told_BA
    np.put_along_axis(x_BN, size_B[:, None] - 1, self.letters + 1, 1)
    return x_BN, told_BA, self.tokens
