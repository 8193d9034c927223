"""A document for each sentence."""

import dataclasses
import re
from collections.abc import Iterator

from seqlab.data.cleaning.base import Step
from seqlab.data.documents import Document
from seqlab.errors import UserError

_CLOSING = "\"'”’」』）)】》]"
_WIDE, _NARROW = "。！？", ".!?…"
# Words before a full stop that ends no sentence (English and German), in small letters.
_SHORT = """
mr mrs ms dr prof rev gen col sgt capt lt st sr jr vs fig figs eq vol ch pp p ed eds al inc
ltd co corp dept approx ca cf e.g i.e etc u.s u.k a.m p.m jan feb mar apr jun jul aug sep sept
oct nov dec hr hrsg bzw usw z.b d.h u.a vgl nr bd abb str ggf inkl evtl
"""
_SHORTS = frozenset(_SHORT.split())
_EMPTY_LINE = re.compile(r"[ \t\r]*\n")
_INITIALS = "abcdefghjklmnopqrstuvwxyz"  # not the word I


def sentences(config_key: str) -> Step:
  """Each sentence a document, with the id and the label of its text: all of them stand in the same
  split. A sentence ends with 。！？, with … or with `.!?` before white space, unless a small letter
  follows or it is the full stop of an abbreviation or an initial, and where a line is empty.

  Raises:
    UserError: at the first pair, the sides of which need not have as many sentences.
  """

  def turn(document: Document) -> Iterator[Document]:
    if document.source is not None:
      raise UserError(
        f"{config_key}: sentences() would cut the two sides of the pair {document.id} apart; "
        f"take it out, or give pairs of sentences"
      )
    for sentence in split_sentences(document.text):
      yield dataclasses.replace(document, text=sentence)

  return Step(begin=lambda: turn)


def split_sentences(text: str) -> list[str]:
  """The sentences of a text, without the white space between them."""
  found, start, at = [], 0, 0
  while at < len(text):
    end = _end(text, at)
    if end:
      found.append(text[start:end].strip())
      start = end
    at = max(end, at + 1)
  found.append(text[start:].strip())
  return [sentence for sentence in found if sentence]


def _end(text: str, at: int) -> int:
  """Where the sentence ends whose last mark is at `at`; 0 where none does."""
  mark = text[at]
  if mark == "\n":
    return at + 1 if _EMPTY_LINE.match(text, at + 1) else 0
  if mark not in _WIDE and mark not in _NARROW:
    return 0
  end = at + 1
  while end < len(text) and text[end] in _WIDE + _NARROW + _CLOSING:
    end += 1
  if any(c in _WIDE for c in text[at:end]):
    return end
  if end < len(text) and not text[end].isspace() and "…" not in text[at:end]:
    return 0  # 3.5, example.org
  ahead = text[end : end + 20].lstrip()[:1]
  if ahead.islower():
    return 0
  return 0 if text[at:end] == "." and _abbreviated(text[max(at - 20, 0) : at], ahead) else end


def _abbreviated(before: str, ahead: str) -> bool:
  word = before.split()[-1:] or [""]
  bare = word[0].lstrip(_CLOSING + "(“‘「『（").lower()
  return (
    bare in _SHORTS or (bare == "no" and ahead.isdigit()) or (len(bare) == 1 and bare in _INITIALS)
  )
