"""Tasks of mechanistic architecture design (MAD, Poli 2024, arXiv:2403.17844, section 3.1 and the
authors' code) besides selective copying, told in the form of the others.
"""

import dataclasses
from typing import ClassVar

import numpy as np

from seqlab.data.permutation import permute
from seqlab.data.tasks.base import Drawn, Task
from seqlab.data.tasks.chomsky import digits
from seqlab.data.tasks.draws import Draws


@dataclasses.dataclass(frozen=True)
class Recall(Task):
  """What `InContextRecall` and `Memorization` share: keys at even places, answers to them."""

  vocab: int = 16

  def check(self) -> str:
    return "" if self.vocab >= 4 else f"vocab={self.vocab}: 4 or more are wanted"

  @property
  def shortest(self) -> int:
    return 2

  @property
  def keys(self) -> int:
    """How many symbols are keys; the others are values."""
    return self.vocab // 2

  @property
  def symbols(self) -> tuple[str, ...]:
    return (*(f"k{i}" for i in range(self.keys)), *(f"v{i}" for i in range(self.choices)), "_")

  @property
  def choices(self) -> int:
    return self.vocab - self.keys

  def answers(self, length: int) -> int:
    return length // 2

  def told(self, x_BT: np.ndarray, size_B: np.ndarray, tell_BP: np.ndarray, at: int) -> Drawn:
    """A row of pairs whose second symbols are answers, told at place `at` of a pair where
    `tell_BP` says so.
    """
    pairs = tell_BP.shape[1]
    tell_BP = tell_BP & (2 * np.arange(pairs) + 1 < size_B[:, None])
    order_BP = np.argsort(~tell_BP, 1, kind="stable")  # the places that are told come first
    answer_BP = np.take_along_axis(x_BT[:, 1 : 2 * pairs : 2], order_BP, 1)
    return Drawn(x_BT, size_B, 2 * order_BP + at, answer_BP, tell_BP.sum(1))


@dataclasses.dataclass(frozen=True)
class InContextRecall(Recall):
  """Keys with their values, which each row draws anew: where a key comes again, its value is told.
  noise: share of the pairs in whose place are symbols that mean nothing.
  """

  shows_answers: ClassVar[bool] = True

  noise: float = 0.0

  def check(self) -> str:
    return super().check() or ("" if 0 <= self.noise < 1 else "noise of 0 to below 1 is wanted")

  @property
  def shortest(self) -> int:
    return 4

  @property
  def symbols(self) -> tuple[str, ...]:
    return (*super().symbols, *(f"n{i}" for i in range(self.vocab) if self.noise))

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    pairs, rows, last_B = length // 2, np.arange(len(size_B)), size_B // 2 - 1
    key_BP = draws.integers(self.keys, pairs)
    value_BK = self.keys + draws.integers(self.choices, self.keys)
    noise_BP = draws.uniform(pairs) < self.noise
    # the last pair asks for a key that came before, so that every row asks something
    asked_B = draws.integers(last_B[:, None])[:, 0]
    noise_BP[rows, asked_B] = noise_BP[rows, last_B] = False
    key_BP[rows, last_B] = key_BP[rows, asked_B]
    again_BP = np.zeros_like(noise_BP)
    for key in range(self.keys):
      here_BP = (key_BP == key) & ~noise_BP
      again_BP |= here_BP & (np.cumsum(here_BP, 1) > 1)
    x_BT = np.full((len(size_B), length), self.vocab)
    x_BT[:, : 2 * pairs : 2] = key_BP
    x_BT[:, 1 : 2 * pairs : 2] = np.take_along_axis(value_BK, key_BP, 1)
    nothing_BT = self.vocab + 1 + draws.integers(self.vocab, 2 * pairs)
    x_BT[:, : 2 * pairs] = np.where(np.repeat(noise_BP, 2, 1), nothing_BT, x_BT[:, : 2 * pairs])
    return self.told(x_BT, size_B, again_BP, 0)


@dataclasses.dataclass(frozen=True)
class Memorization(Recall):
  """Keys whose values are the same in all rows and stand in none: they are told at the blank behind
  each key, and only training can teach them.
  """

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    pairs = length // 2
    values_K = self.keys + permute(np.arange(self.keys), self.choices, "values")
    key_BP = draws.integers(self.keys, pairs)
    x_BT = np.full((len(size_B), length), self.vocab)
    x_BT[:, : 2 * pairs : 2], x_BT[:, 1 : 2 * pairs : 2] = key_BP, values_K[key_BP]
    drawn = self.told(x_BT, size_B, np.ones_like(key_BP, bool), 1)
    hidden_BT = x_BT.copy()
    hidden_BT[:, 1 : 2 * pairs : 2] = self.vocab
    return dataclasses.replace(drawn, tokens_BT=hidden_BT)


@dataclasses.dataclass(frozen=True)
class Compression(Task):
  """All symbols of a row are told at the "!" that ends it, which a network can whose scores differ
  by the number of the answer: `compressor`.
  """

  vocab: int = 16

  def check(self) -> str:
    return "" if self.vocab >= 2 else f"vocab={self.vocab}: 2 or more are wanted"

  @property
  def shortest(self) -> int:
    return 2

  @property
  def symbols(self) -> tuple[str, ...]:
    return (*digits(self.vocab), "!")

  @property
  def choices(self) -> int:
    return self.vocab

  def answers(self, length: int) -> int:
    return length - 1

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    x_BT = draws.integers(self.vocab, length)
    answer_BA, last_B1 = x_BT[:, :-1].copy(), size_B[:, None] - 1
    np.put_along_axis(x_BT, last_B1, self.vocab, 1)
    return Drawn(x_BT, size_B, np.broadcast_to(last_B1, answer_BA.shape), answer_BA, size_B - 1)


@dataclasses.dataclass(frozen=True)
class FuzzyRecall(Task):
  """Recall of values of several symbols by keys of several: each row draws `pairs` keys, of one
  length of 1 to `most` symbols so that none is the beginning of another, and their values, each of
  1 to `most` others. Where a key comes again, the symbols of its value are told one by one.

  The authors' rows mix keys of all lengths in training and are tested on the longest.
  """

  shows_answers: ClassVar[bool] = True

  vocab: int = 16
  pairs: int = 4
  most: int = 3

  def check(self) -> str:
    if self.vocab < 4 or not 1 <= self.most <= 10:
      return "vocab of 4 or more and most of 1 to 10 are wanted"
    room = (self.vocab // 2) ** self.most
    return "" if 1 <= self.pairs <= room else f"pairs={self.pairs}: 1 to {room} are wanted"

  @property
  def shortest(self) -> int:
    return 2 * self.most

  @property
  def symbols(self) -> tuple[str, ...]:
    return (*digits(self.vocab), "_")

  @property
  def choices(self) -> int:
    return self.vocab - self.vocab // 2

  def answers(self, length: int) -> int:
    return length

  def draw(self, draws: Draws, size_B: np.ndarray, length: int) -> Drawn:
    shape, half = (len(size_B), length), self.vocab // 2
    x_BT, at_BA, answer_BA = np.full(shape, self.vocab), np.zeros(shape, int), np.zeros(shape, int)
    count_B = np.zeros(len(size_B), np.int64)
    for row, (size, seed) in enumerate(zip(size_B.tolist(), draws.bits(1)[:, 0], strict=True)):
      draw = np.random.Generator(np.random.PCG64(int(seed)))
      known: dict[tuple[int, ...], tuple[int, ...]] = {}
      wide = draw.choice([n for n in range(1, self.most + 1) if half**n >= self.pairs])
      while len(known) < self.pairs:
        key = tuple(draw.integers(0, half, wide).tolist())
        size_of = draw.integers(1, self.most + 1)
        known.setdefault(key, tuple(draw.integers(half, self.vocab, size_of).tolist()))
      keys, seen, at = list(known), set(), 0
      while True:
        key = keys[draw.integers(len(keys))]
        value = known[key]
        if at + len(key) + len(value) > size:
          break
        x_BT[row, at : at + len(key) + len(value)] = (*key, *value)
        at += len(key)
        if key in seen:  # what a place is to tell is what stands behind it
          told = slice(count_B[row], count_B[row] + len(value))
          at_BA[row, told], answer_BA[row, told] = np.arange(at - 1, at - 1 + len(value)), value
          count_B[row] += len(value)
        seen.add(key)
        at += len(value)
    return Drawn(x_BT, size_B, at_BA, answer_BA, count_B)
