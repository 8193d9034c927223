"""Synthetic tasks as the data of a run: examples made as they are asked for, nothing stored."""

import dataclasses
from typing import Any

import numpy as np

from seqlab.data.files import identify
from seqlab.data.tasks import TASKS
from seqlab.data.tasks.base import Task
from seqlab.data.tasks.draws import Draws
from seqlab.data.tokenizers import Tokenizer, Words
from seqlab.errors import UserError
from seqlab.spec import make, parse, parse_one

Batch = dict[str, np.ndarray]
FIRST = Words(()).vocab  # the id of the first symbol


class Answers:
  """Row i is example `first + i` of a task: `tokens_BT` and `pos_BT`; `at_BA`, the columns at which
  answers are told, `answer_BA`, and `weight_BA`, 0 for those that do not count.
  """

  def __init__(self, task: Task, split: str, first: int, count: int, columns: int, pad: int):
    self._task, self._split, self._first, self._columns, self._pad = (
      task, split, first, columns, pad
    )  # fmt: skip
    self.count = self.evaluation_count = count

  @staticmethod
  def shapes(length: int) -> dict[str, tuple[int, ...]]:
    """Of a row with one answer."""
    wide, one = (length,), (1,)
    return dict(tokens_BT=wide, pos_BT=wide, at_BA=one, answer_BA=one, weight_BA=one)

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Examples `index_B`; an index beyond the last one is a row of weight 0."""
    real_B, task = index_B < self.count, self._task
    draws = Draws(np.where(real_B, index_B, 0) + self._first, str(task), self._split, task.seed)
    spread = task.length - task.least + 1
    size_B = task.least + draws.integers(spread)[:, 0]
    drawn = task.draw(draws, size_B, task.length)
    column_T = np.arange(self._columns)
    tokens_BT = np.full((len(index_B), self._columns), self._pad)
    tokens_BT[:, : drawn.tokens_BT.shape[1]] = drawn.tokens_BT + FIRST
    inside_BT = column_T < drawn.size_B[:, None]
    counts_BA = np.arange(drawn.at_BA.shape[1]) < (drawn.count_B * real_B)[:, None]
    return {
      "tokens_BT": np.where(inside_BT, tokens_BT, self._pad).astype(np.int32),
      "pos_BT": np.where(inside_BT, column_T, 0).astype(np.int32),
      "at_BA": np.where(counts_BA, drawn.at_BA, 0).astype(np.int32),
      "answer_BA": np.where(counts_BA, drawn.answer_BA + FIRST, self._pad).astype(np.int32),
      "weight_BA": counts_BA.astype(np.float32),
    }


@dataclasses.dataclass(frozen=True)
class Tasks:
  """A split's task, the number of its first example and how many are its. draws: in whose name
  examples are drawn, where that is not the split's.
  """

  splits: dict[str, tuple[Task, int, int]]
  description: str
  fingerprint: str
  draws: str = ""

  between = None
  pairs = False
  stores = ()

  @property
  def task(self) -> Task:
    return self.splits["train"][0]

  @property
  def columns(self) -> int:
    """Tokens of the longest question with its answers."""
    return self.task.columns(self.task.length)

  @property
  def labels(self) -> list[str]:
    return []

  @property
  def tokenizer(self) -> Words:
    return Words(self.task.symbols)

  @property
  def vocab(self) -> int:
    return self.tokenizer.vocab

  @property
  def eot(self) -> int:
    return self.tokenizer.eot

  @property
  def pad(self) -> int:
    return self.tokenizer.pad

  def size(self, split: str) -> dict[str, int]:
    return {"examples": self.splits[split][2]}

  def parts(
    self, split: str, rows: str, *, length: int, seed: int, train: bool
  ) -> tuple[list[Answers], tuple[float, ...]]:
    task, first, count = self.splits[split]
    columns = max(length, task.columns(task.length))
    return [Answers(task, self.draws or split, first, count, columns, self.pad)], (1.0,)

  def about(self) -> dict[str, Any]:
    return {
      split: dict(task=str(task), examples=count) for split, (task, _, count) in self.splits.items()
    }

  def __str__(self) -> str:
    task = self.task
    return f"{self.size('train')['examples']:,} examples of {task}, {len(task.symbols):,} symbols"


def gives_tasks(source: str, key: str = "config.data.source") -> bool:
  """Whether a source is a synthetic task.

  Raises:
    UserError: it mixes one with other sources.
  """
  names = [call.name for call in parse(source, key)]
  found = [name for name in names if name in TASKS]
  if found and len(names) > 1:
    raise UserError(f"{key}={source!r}: {found[0]}() makes examples of its own; it cannot be mixed")
  return bool(found)


def read_tasks(source: str, valid: str, columns: int) -> Tasks:
  """A task, with the share of its examples that `hash(fraction=…)` holds out, or with those of
  another call of the same symbols, which may be longer than `columns`.

  Raises:
    UserError: anything wrong with the calls.
  """
  task = _task(source, columns, "config.data.source")
  rule = parse_one(valid, "config.data.valid")
  if rule.name in TASKS:
    held = _task(valid, 0 if _length(valid) else columns, "config.data.valid")
    if task.listed:
      raise UserError(
        f"config.data.valid={valid!r}: {source} lists all its examples; hold some out, "
        f"'hash(fraction=0.5)'"
      )
    if held.symbols != task.symbols:
      raise UserError(f"config.data.valid={valid!r}: its symbols are not those of {source}")
    splits = dict(train=(task, 0, task.examples), valid=(held, 0, held.examples))
  else:
    fraction = make(rule, {"hash": _fraction}, "config.data.valid")
    count = round(task.examples * fraction) if 0 < fraction < 1 else 0
    if not 0 < count < task.examples:
      raise UserError(f"config.data.valid={valid!r}: leaves nothing to one of both splits")
    splits = dict(train=(task, count, task.examples - count), valid=(task, 0, count))
  told = {split: [str(of), first, count] for split, (of, first, count) in splits.items()}
  return Tasks(splits, str(task), identify(told))


def read_examples(source: str, key: str, tokenizer: Tokenizer, columns: int) -> Tasks:
  """All examples of a call as the split "train", for a run with this tokenizer. They are drawn in
  another name than those of training and validation, whatever the call (but for `modular`, which
  lists all that there are).
  """
  task = _task(source, 0 if _length(source) else columns, key)
  if Words(task.symbols).description() != tokenizer.description():
    raise UserError(f"{key}={source}: its symbols are not those that the run has learned")
  return Tasks(
    {"train": (task, 0, task.examples)}, str(task), identify(["whole", str(task)]), "data"
  )


def columns_of(valid: str) -> int:
  """Tokens of a row of validation examples with a length of their own, else 0."""
  call = parse_one(valid, "config.data.valid")
  if call.name not in TASKS or not _length(valid):
    return 0
  task = _task(valid, 0, "config.data.valid")
  return task.columns(task.length)


def choices(source: str) -> int:
  """How many answers a task gives to choose from."""
  return _unresolved(source).choices


def shows_answers(source: str) -> bool:
  """Whether a network that reads ahead finds a task's answers in its rows."""
  return _unresolved(source).shows_answers


def _unresolved(source: str) -> Task:
  return make(parse_one(source, "config.data.source"), TASKS, "config.data.source")


def _fraction(fraction: float = 0.1) -> float:
  return fraction


def _length(text: str) -> int:
  return parse_one(text).kwargs.get("length", 0)


def _task(text: str, columns: int, key: str) -> Task:
  return make(parse_one(text, key), TASKS, key).resolved(columns, key)
