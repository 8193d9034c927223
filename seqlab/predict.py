"""`seqlab predict`: what a trained model says of texts or their words (classes, numbers, tags), and
how good that is.
"""

from collections.abc import Sequence

from seqlab import pictures
from seqlab.data.documents import Document
from seqlab.predictors import predictor
from seqlab.predictors.base import Line
from seqlab.predictors.classes import Classes
from seqlab.results import columns, read_lines, score_rows, write_lines, write_scores
from seqlab.table import show
from seqlab.trained import cleaning, documents_of, open_run

_SHOWN, _DRAWN = 20, 60  # classes at most in a table of the terminal, and in a picture


def run(workdir: str, text: list[str], split: str, data: str, against: str, step: str) -> None:
  """Prints what is predicted for each `text`; without any, predicts for every text of a split (or
  of `data`) into predict_SPLIT.jsonl of the run's folder, and prints the scores where all texts say
  what is right; with those of `against`, another such file, and the differences.
  """
  trained = open_run(workdir, step)
  says = predictor(trained)
  if text:
    # bytes of the command line that are no UTF-8 come as halves of surrogate pairs
    texts = [cleaning(trained).text(one.encode("utf-8", "replace").decode()) for one in text]
    for line in says.lines([Document(f"--text={one[:40]!r}", one) for one in texts]):
      print(says.show(line))
    return
  # a text of nothing is trained on and evaluated, but there is nothing to say of it
  documents = [d for d in documents_of(trained, split, data) if d.text.strip()]
  lines = says.lines(documents)
  others = None
  if against:
    asked = [{k: v for k, v in line.items() if k not in says.found} for line in lines]
    others = read_lines(against, asked, says.found, "predict")
  name = "data" if data else split
  path = trained.folder / f"predict_{name}.jsonl"
  write_lines(path, lines)
  if all(says.right(document) is not None for document in documents):
    title = f"{workdir}, step {trained.step}, {data or f'{split} set'}"
    other = says.scores(others) if others else None
    own = says.scores(lines)
    write_scores(path.with_suffix(".json"), own, len(lines))
    show(title, columns(against), score_rows(own, other, len(lines)))
    if isinstance(says, Classes):
      _show_confusion(says, lines, name)
  print(f"{len(lines):,} texts: {path}")


def _show_confusion(says: Classes, lines: Sequence[Line], name: str) -> None:
  """The table of what was taken for what, and its picture."""
  counts = says.confusion(lines)
  if len(says.names) <= _SHOWN:
    rows = zip(says.names, counts.tolist(), strict=True)
    cells = [(label, *map(str, row)) for label, row in rows]
    show("labels in rows, predictions in columns", ("", *says.names), cells)
  if len(says.names) > _DRAWN:
    return
  path = says.run.folder / f"confusion_{name}.png"
  pictures.save(path, pictures.confusion(says.names, counts))
  print(f"picture: {path}")
