"""What a synthetic task is: examples made from random numbers, each a row of symbols with answers
to be told at some of its places.
"""

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from seqlab.data.tasks.draws import Draws
from seqlab.errors import UserError

MOST = dict(length=1_000_000, least=1_000_000, count=2**40, seed=2**32 - 1)  # of arguments


@dataclasses.dataclass(frozen=True)
class Drawn:
  """Rows of symbols, as their numbers in `Task.symbols`.

  tokens_BT: what is read, of which the first size_B are the row; at_BA: the places at which answers
  are told, and answer_BA what they are; count_B: how many of them count.
  """

  tokens_BT: np.ndarray
  size_B: np.ndarray
  at_BA: np.ndarray
  answer_BA: np.ndarray
  count_B: np.ndarray


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
  """A task with its arguments. Lengths are those of its question, drawn evenly from `least` to
  `length`, which is the longest that config.length has room for where it is 0; `least` is `length`
  where it is 0. count: examples that there are; seed: of their numbers.
  """

  # a row has each answer behind the place that tells it, where a network that reads ahead finds it
  shows_answers: ClassVar[bool] = False

  length: int = 0
  least: int = 0
  count: int = 100_000
  seed: int = 0

  @property
  def shortest(self) -> int:
    """Of a question."""
    return 1

  @property
  def longest(self) -> int | None:
    """Of a question, None where it may have any length."""
    return None

  @property
  def examples(self) -> int:
    """How many there are."""
    return self.count

  @property
  @abc.abstractmethod
  def symbols(self) -> tuple[str, ...]:
    """What rows are made of, as words."""

  @property
  def choices(self) -> int:
    """How many answers there are to choose from: guessing is right one time in so many."""
    return len(self.symbols)

  def columns(self, length: int) -> int:
    """Tokens of the row of a question of this length."""
    return length

  @abc.abstractmethod
  def answers(self, length: int) -> int:
    """Answers to it, at most."""

  @abc.abstractmethod
  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    """Rows with questions of sizes `size_B`, at most `length`."""

  def check(self) -> str:
    """What is wrong with the arguments, or ""."""
    return ""

  @property
  def listed(self) -> bool:
    """Whether its examples are all that there can be, each of them once."""
    return False

  def _bounded(self) -> str:
    """What is too large, or ""."""
    for field in dataclasses.fields(self):
      value, most = getattr(self, field.name), MOST.get(field.name, 100_000)
      if isinstance(value, int | float) and not value <= most:
        return f"{field.name} is above {most:,}"
    return ""

  def resolved(self, columns: int, key: str) -> "Task":
    """With the lengths that 0 stands for, in rows of `columns` tokens, 0 for as many as it takes.

    Raises:
      UserError: an argument is out of range, or a row has no room for the question.
    """
    wrong = self._bounded() or self.check()
    if not wrong and self.choices < 2:
      wrong = "there is nothing to choose from: two answers or more are wanted"
    if not wrong and (min(self.length, self.least, self.seed) < 0 or self.examples < 1):
      wrong = "lengths and a seed of 0 or more and a count of 1 or more are wanted"
    if wrong:
      raise UserError(f"{key}: {self}: {wrong}")
    room = range(min(self.longest or columns, columns), self.shortest - 1, -1)
    length = self.length or next((n for n in room if self.columns(n) <= columns), self.shortest)
    least, longest = self.least or length, self.longest or length
    if not self.shortest <= least <= length <= longest:
      wrong = f"lengths from {self.shortest}, and least={least} up to length={length}, are wanted"
    elif columns and self.columns(length) > columns:
      wrong = (
        f"a question of length={length} takes {self.columns(length)} tokens with its answers; "
        f"config.length={columns} has no room for it"
      )
    if wrong:
      raise UserError(f"{key}: {self}: {wrong}")
    return dataclasses.replace(self, length=length, least=least)

  def __str__(self) -> str:
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(self).__name__).lstrip("_")
    changed = (
      f"{field.name}={getattr(self, field.name)!r}"
      for field in dataclasses.fields(self)
      if getattr(self, field.name) != field.default
    )
    return f"{name}({', '.join(changed)})"


class Asked(Task):
  """A task whose answers come behind its question: at blanks, where there are several, or at the
  question's last symbol, where there is one.
  """

  blank: ClassVar[str] = "_"

  @property
  @abc.abstractmethod
  def alphabet(self) -> tuple[str, ...]:
    """The symbols besides the blank."""

  @abc.abstractmethod
  def ask(
    self, draws: Draws, size_B: np.ndarray, length: int
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray | int]:
    """(questions [B, length], of which a row's first symbols count; answers [B, A]; how many of
    them count, [B] or one number).
    """

  @property
  def symbols(self) -> tuple[str, ...]:
    return (*self.alphabet, self.blank)

  @property
  def choices(self) -> int:
    return len(self.alphabet)

  def columns(self, length: int) -> int:
    return length + self._blanks(length)

  def answers(self, length: int) -> int:
    return 1

  def _blanks(self, length: int) -> int:
    return self.answers(length) if self.answers(length) > 1 else 0

  def sizes(self, size_B: np.ndarray) -> np.ndarray:
    """The nearest sizes below that a question may have."""
    return size_B

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    size_B = self.sizes(size_B)
    question_BN, answer_BA, count = self.ask(draws, size_B, length)
    count_B = np.broadcast_to(np.asarray(count, np.int64), size_B.shape)
    tokens_BT = np.full((len(size_B), self.columns(length)), len(self.alphabet))
    tokens_BT[:, :length] = question_BN
    tokens_BT[np.arange(tokens_BT.shape[1]) >= size_B[:, None]] = len(self.alphabet)
    several = bool(self._blanks(length))
    at_BA = size_B[:, None] - (not several) + np.arange(answer_BA.shape[1])
    return Drawn(tokens_BT, size_B + several * count_B, at_BA, answer_BA, count_B)
