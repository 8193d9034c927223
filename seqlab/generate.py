"""`seqlab generate`: what a sequence-to-sequence model writes from sources, and how close it comes
to the references.
"""

import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from seqlab.beam import Beam
from seqlab.errors import UserError
from seqlab.results import columns, read_lines, score_rows, write_lines, write_scores
from seqlab.scores.bootstrap import Score, mean_of
from seqlab.scores.diversity import distinct, repetition
from seqlab.scores.rouge import rouge
from seqlab.scores.translation import translation_scores
from seqlab.table import show
from seqlab.texts import alike, cleaned, encoded
from seqlab.trained import Trained, documents_of, open_run

FIELDS = ("source", "reference", "written")  # of a line of generate_SPLIT.jsonl


def written(
  run: Trained, sources: Sequence[str], beams: int, penalty: float, rows: int = 64
) -> Iterator[tuple[int, list[tuple[str, float]]]]:
  """For each source its number and its `beams` best texts with their scores, best first; sources of
  like length go together.

  Raises:
    UserError: a source is empty or longer than the model's rows.
  """
  config, tokenizer = run.config, run.learned.tokenizer
  network = run.objective.network
  search = Beam(
    network, tokenizer.eot, tokenizer.vocab, tuple(tokenizer.silent), beams=beams, penalty=penalty
  )
  # A decoder has learned no positions but those of a row, which source and text share.
  shared = network.reads_prefix and config.model.learned_positions
  most = config.length - shared
  ids = encoded(run, sources, "the source ", most)
  params = run.writer
  for here, shape in alike([len(one) for one in ids], rows):
    source_BS = np.full(shape, tokenizer.pad, np.int32)
    size_B = np.ones(shape[0], int)  # rows that fill up the last batch have one token
    for row, i in enumerate(here):
      size_B[row] = len(ids[i])
      source_BS[row, -size_B[row] :] = ids[i]  # at the end, where a state is handed over
    pos_BS = np.arange(shape[1], dtype=np.int32) - (shape[1] - size_B[:, None]).astype(np.int32)
    inside_BS = pos_BS >= 0
    pos_BS = np.maximum(pos_BS, 0)
    source = source_BS, pos_BS, np.where(inside_BS, 0, -2).astype(np.int32)
    free_BT = np.full((shape[0], config.length - shared * size_B.max()), -1, np.int32)
    tokens_BKT, length_BK, score_BK = jax.device_get(search(params, free_BT, source))
    for row, i in enumerate(here):
      texts = zip(tokens_BKT[row], length_BK[row], score_BK[row], strict=True)
      yield i, [(tokenizer.decode(one[:size]), float(score)) for one, size, score in texts]


def run(
  workdir: str,
  source: list[str],
  split: str,
  data: str,
  beams: int,
  penalty: float,
  against: str,
  step: str,
) -> None:
  """Prints what is written from each `source`; without any, writes from every source of a split (or
  of `data`) into generate_SPLIT.jsonl of the run's folder, and prints the scores; with those of
  `against`, another such file, and the differences. Sources and references are texts as cleaned.
  """
  if not 0 <= penalty < float("inf"):
    raise UserError(f"--penalty={penalty}: 0 or more is wanted")
  trained = open_run(workdir, step)
  if trained.objective.writes != "targets":
    raise UserError(
      f"--workdir={workdir}: config.objective={trained.config.objective!r} writes from no source; "
      f"`seqlab sample` goes on from a prompt"
    )
  if source:
    found = written(trained, cleaned(trained, source), beams, penalty)
    for number, n_best in sorted(found):
      print(source[number])
      for text, score in n_best:
        print(f"  {score:8.3f}  {text}")
    return
  from rich.progress import track

  documents = documents_of(trained, split, data)
  if any(document.source is None for document in documents):
    key, value = ("--data", data) if data else ("config.data.source", trained.config.data.source)
    raise UserError(f"{key}={value!r} holds no pairs; name the other side with source='…'")
  sources, references = [d.source or "" for d in documents], [d.text for d in documents]
  asked = [dict(zip(FIELDS, pair, strict=False)) for pair in zip(sources, references, strict=True)]
  others = None
  if against:
    others = [str(line["written"]) for line in read_lines(against, asked, FIELDS[2:], "generate")]
  began = time.monotonic()
  found = written(trained, sources, beams, penalty)
  best = {i: n_best[0][0] for i, n_best in track(found, "writing", len(sources), transient=True)}
  texts = [best[i] for i in range(len(sources))]
  seconds = time.monotonic() - began
  name = "data" if data else split
  path = trained.folder / f"generate_{name}.jsonl"
  write_lines(path, [{**pair, "written": text} for pair, text in zip(asked, texts, strict=True)])
  title = f"{workdir}, step {trained.step}, {data or f'{split} set'}, {beams} beams"
  own, signatures = _scores(texts, references)
  write_scores(path.with_suffix(".json"), own, len(texts))
  rows = score_rows(own, _scores(others, references)[0] if others else None, len(texts))
  rows = [[*row, signatures.get(row[0], "")] for row in rows]
  show(title, (*columns(against), "signature"), rows)
  print(f"{len(texts):,} texts, {len(texts) / seconds:.1f} a second: {path}")


def _scores(texts: list[str], references: Sequence[str]) -> tuple[dict[str, Score | float], dict]:
  """The scores of texts, from 0 to 100, and the signatures of those that have one."""
  found: dict[str, Score | float] = {}
  signatures = {}
  for name, (score, signature) in translation_scores(texts, references).items():
    found[name], signatures[name] = score, signature
  pairs = list(zip(texts, references, strict=True))
  rouges = [rouge(*pair) for pair in pairs]
  for name in ("rouge1", "rouge2", "rougeL"):
    found[name], signatures[name] = mean_of(np.array([100 * r[name] for r in rouges])), "F1"
  found["exact match"] = mean_of(np.array([100.0 * (a == b) for a, b in pairs]))
  for n in (1, 2):
    found[f"distinct-{n}"] = 100 * distinct(texts, n)
  found["repetition-4"] = mean_of(np.array([100 * repetition(text, 4) for text in texts]))
  return found, signatures
