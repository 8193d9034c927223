"""Cleaning that looks at characters alone: text to text, no words."""

import functools
import hashlib
import re
import unicodedata
from typing import Any

import numpy as np

from seqlab.data.cleaning.base import Step, package

# Full-width forms and what each is the wide form of; not the rest of what NFKC folds.
_HALF = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_HALF |= {0x3000: " ", **dict(zip(range(0xFFE0, 0xFFE7), "¢£¬¯¦¥₩", strict=True))}

_KEPT = "\t\n\r"
_SPACES = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"  # controls that stand between words
_UNSEEN = "\u00ad\u200b\u200e\u200f\u2060\ufeff"  # soft hyphen, zero width, marks of direction
_UNSEEN += "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_CONTROL: dict[int, str | None] = {
  code: None
  for code in (*range(32), *range(127, 160), *map(ord, _UNSEEN))
  if chr(code) not in _KEPT
}
_CONTROL |= {ord(c): " " for c in _SPACES}


def nfkc(config_key: str) -> Step:
  """Unicode normalisation form KC: one spelling for each character, whatever its width, ligature or
  composition (Unicode Standard Annex 15).
  """
  return Step(functools.partial(unicodedata.normalize, "NFKC"))


def half_width(config_key: str) -> Step:
  """Full-width letters, digits, punctuation and spaces as ASCII; every other character as it is."""
  return Step(lambda text: text.translate(_HALF))


def control(config_key: str) -> Step:
  """Without control characters, zero-width spaces and marks of direction. Tab and line ends stay,
  and so do the joiners, which spell emoji, Persian and Indic words.
  """
  return Step(lambda text: text.translate(_CONTROL))


def shuffled(config_key: str, seed: int = 0) -> Step:
  """Every text's characters in an order that they draw. What a model can tell of them is how often
  each comes: a control, whose loss is that of single characters.
  """

  def turn(text: str) -> str:
    letters = sorted(text)  # so that the shuffled text gives itself
    drawn = hashlib.sha256(f"{seed} {''.join(letters)}".encode("utf-8", "replace")).digest()
    order = np.random.default_rng(int.from_bytes(drawn)).permutation(len(letters))
    return "".join(letters[place] for place in order)

  return Step(turn)


def whitespace(config_key: str, lines: bool = False) -> Step:
  """Every run of white space as one space, none at the ends; with `lines`, a run that holds a line
  end as one line end.
  """
  if not lines:
    return Step(lambda text: " ".join(text.split()))
  return Step(lambda text: "\n".join(" ".join(line.split()) for line in _lines(text)))


def lower(config_key: str) -> Step:
  """Small letters."""
  return Step(str.lower)


def simplified(config_key: str) -> Step:
  """Traditional Chinese characters as simplified ones, by phrases (OpenCC, `t2s`)."""
  return Step(lambda text: _opencc("t2s", "simplified()", config_key).convert(text))


def traditional(config_key: str) -> Step:
  """Simplified Chinese characters as traditional ones, by phrases (OpenCC, `s2t`)."""
  return Step(lambda text: _opencc("s2t", "traditional()", config_key).convert(text))


def _lines(text: str) -> list[str]:
  return [line for line in re.split(r"[\r\n\x85\u2028\u2029]+", text) if line.strip()]


@functools.cache
def _opencc(table: str, step: str, config_key: str) -> Any:
  return package("opencc", step, config_key).OpenCC(table)
