"""BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, each with its signature.

sacrebleu cuts the longer list without a word, and its default tokenizer takes a Chinese sentence
for a single word: lengths are checked here and the tokenizer is chosen by the script of the
references.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.errors import UserError
from seqlab.scores.bootstrap import Score

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def translation_scores(
  written: Sequence[str], references: Sequence[str]
) -> dict[str, tuple[Score, str]]:
  """{"bleu" | "chrf": (the score of chosen sentences, from 0 to 100; signature)}.

  Raises:
    UserError: lists of different length, no text, or an empty reference.
  """
  from sacrebleu.metrics import BLEU, CHRF

  if len(written) != len(references):
    raise UserError(f"{len(written)} texts against {len(references)} references")
  empty = [i for i, text in enumerate(references) if not text.strip()]
  if empty or not references:
    raise UserError(f"reference {empty[0] + 1} is empty" if empty else "there are no references")
  metrics = dict(bleu=BLEU(tokenize=tokenizer_of(references)), chrf=CHRF())
  return {
    name: _score_of(metric, list(written), list(references)) for name, metric in metrics.items()
  }


def tokenizer_of(texts: Sequence[str]) -> str:
  """sacrebleu's tokenizer for these texts: "zh" where a third of the letters or more are Chinese,
  else "13a", which splits at spaces and punctuation.
  """
  whole = "".join(texts)
  letters = sum(character.isalpha() for character in whole)
  return "zh" if letters and len(_HAN.findall(whole)) >= letters / 3 else "13a"


def _score_of(metric: Any, written: list[str], references: list[str]) -> tuple[Score, str]:
  # The counts of each sentence, which add up: a sample of sentences is scored by its sum.
  counts = np.array(metric._extract_corpus_statistics(written, [references]))

  def score(index: np.ndarray) -> float:
    return float(metric._aggregate_and_compute([counts[index].sum(0).tolist()]).score)

  metric.corpus_score(
    written[:1], [references[:1]]
  )  # the signature wants a score to have been made
  return score, str(metric.get_signature())
