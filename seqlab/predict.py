"""`seqlab predict`: what a trained model says of texts, their words or images (classes, numbers,
tags), and how good that is.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from seqlab import pictures
from seqlab.predictors import predictor
from seqlab.results import columns, read_lines, score_rows, write_lines, write_scores
from seqlab.table import show
from seqlab.trained import open_run

_SHOWN, _DRAWN = 20, 60  # classes at most in a table of the terminal, and in a picture


def run(
  workdir: str,
  text: list[str],
  source: list[str],
  split: str,
  data: str,
  against: str,
  step: str,
) -> None:
  """Prints what is predicted for each `text`, where texts come in pairs with its `source`; without
  any, predicts for every example of a split (or of `data`) into predict_SPLIT.jsonl of the run's
  folder, and prints the scores where all examples say what is right; with those of `against`,
  another such file, and the differences.
  """
  trained = open_run(workdir, step)
  says = predictor(trained)
  if text or source:
    for line in says.lines(says.reader.given(text, source)):
      print(says.show(line))
    return
  examples = says.reader.chosen(split, data)
  lines = says.lines(examples)
  others = None
  if against:
    asked = [{k: v for k, v in line.items() if k not in says.found} for line in lines]
    others = read_lines(against, asked, says.found, "predict")
  name = "data" if data else split
  path = trained.folder / f"predict_{name}.jsonl"
  write_lines(path, lines)
  if all(says.right(example) is not None for example in examples):
    title = f"{workdir}, step {trained.step}, {data or f'{split} set'}"
    other = says.scores(others) if others else None
    own = says.scores(lines)
    write_scores(path.with_suffix(".json"), own, len(lines))
    show(title, columns(against), score_rows(own, other, len(lines)))
    counts = says.confusion(lines)
    if counts is not None:
      _show_confusion(says.names, counts, trained.folder / f"confusion_{name}.png")
  print(f"{len(lines):,} {says.reader.noun}: {path}")


def _show_confusion(names: Sequence[str], counts_CC: np.ndarray, path: pathlib.Path) -> None:
  """The table of what was taken for what, and its picture."""
  if len(names) <= _SHOWN:
    rows = zip(names, counts_CC.tolist(), strict=True)
    cells = [(label, *map(str, row)) for label, row in rows]
    show("labels in rows, predictions in columns", ("", *names), cells)
  if len(names) <= _DRAWN:
    pictures.save(path, pictures.confusion(names, counts_CC))
    print(f"picture: {path}")
