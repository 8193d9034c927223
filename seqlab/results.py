"""What a command found, example by example: a file with a line of JSON for each, which another
system's can be compared with, and the table of scores over them.
"""

import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.errors import UserError
from seqlab.scores.bootstrap import Interval, Score, interval, paired


def write_lines(path: pathlib.Path, lines: Iterable[Mapping[str, Any]]) -> None:
  """Writes a line for each example.

  Raises:
    UserError: the file cannot be written.
  """
  try:
    with path.open("w", encoding="utf-8") as stream:
      for line in lines:
        print(json.dumps(line, ensure_ascii=False), file=stream)
  except OSError as error:
    raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_lines(
  path: str, examples: Sequence[Mapping[str, Any]], found: Sequence[str], command: str
) -> list[dict[str, Any]]:
  """The lines that `command` wrote of the same examples with another system: equal in all that
  `examples` say, and with the fields `found` besides.

  Raises:
    UserError: no such file, no such lines, or they are of other examples.
  """
  try:
    text = pathlib.Path(path).read_text("utf-8")
    lines = [json.loads(line) for line in text.split("\n") if line]
    told = [{name: line[name] for name in (examples[0] if examples else ())} for line in lines]
    for line in lines:
      _ = [line[name] for name in found]
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise UserError(f"--against={path}: not what `seqlab {command}` writes ({error})") from None
  if told != list(examples):
    raise UserError(f"--against={path}: of other examples than these {len(examples)}")
  return lines


def score_rows(
  own: Mapping[str, Score | float], other: Mapping[str, Score | float] | None, examples: int
) -> list[list[str]]:
  """A row for each score: its name, its value with the 95% interval over examples, and where there
  is another system the difference to its value, paired by example. A number stands for a score
  that samples do not have.
  """
  rows = []
  for name, score in own.items():
    values: list[Interval | str] = []
    against = [other[name]] if other is not None and name in other else []
    if callable(score):
      values = [interval(score, examples)]
      values += [paired(score, one, examples) for one in against if callable(one)]
    else:
      values = [f"{score:.2f}", *(f"{score - one:.2f}" for one in against if not callable(one))]
    rows.append([name, *map(str, values)])
  return rows


def write_scores(path: pathlib.Path, own: Mapping[str, Score | float], examples: int) -> None:
  """Writes the value of each score as JSON."""
  every = np.arange(examples)
  found = {name: score(every) if callable(score) else score for name, score in own.items()}
  write_lines(path, [{n: v if np.isfinite(v) else None for n, v in found.items()}])


def columns(against: str) -> tuple[str, ...]:
  """The heads of the columns of `score_rows`."""
  return ("metric", "value [95% interval]", *(["less the other's"] if against else []))
