"""BLEU (Papineni et al. 2002) and chrF (Popović 2015) by sacrebleu, each with its signature.

sacrebleu cuts the longer list without a word, and its default tokenizer takes a sentence without
spaces for a single word: lengths are checked here and the tokenizer is chosen by the script of the
references.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.errors import UserError
from seqlab.scores.bootstrap import Score

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3041-\u30ff]")
_UNSPACED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Khmer, ...

_log = logging.getLogger("seqlab")


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
  """sacrebleu's tokenizer for these texts: where a third of the letters or more are of a script
  without spaces, "zh" if that is Chinese, else "char", with a warning, as there is none for its
  words (Japanese, Thai, Lao, Tibetan, Burmese, Khmer); "13a", which splits at spaces and
  punctuation, for all others.
  """
  whole = "".join(texts)
  han, kana, others = (len(script.findall(whole)) for script in (_HAN, _KANA, _UNSPACED))
  letters = sum(character.isalpha() for character in _UNSPACED.sub("", whole)) + others
  if not letters or han + kana + others < letters / 3:
    return "13a"
  if kana + others <= han / 4:  # a name in a Chinese text
    return "zh"
  _log.warning(
    "the references are in a script without spaces that has no tokenizer here; BLEU counts "
    "characters (tok:char) and cannot be set beside a BLEU of words"
  )
  return "char"


def _score_of(metric: Any, written: list[str], references: list[str]) -> tuple[Score, str]:
  # The counts of each sentence, which add up: a sample of sentences is scored by its sum.
  counts = np.array(metric._extract_corpus_statistics(written, [references]))

  def score(index: np.ndarray) -> float:
    return float(metric._aggregate_and_compute([counts[index].sum(0).tolist()]).score)

  metric.corpus_score(
    written[:1], [references[:1]]
  )  # the signature wants a score to have been made
  return score, str(metric.get_signature())
