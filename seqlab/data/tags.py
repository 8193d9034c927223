"""Tags of words: the BIO scheme (Ramshaw & Marcus 1995), and documents of tagged words.

A span of type X begins with B-X and goes on with I-X; what is in no span is O.
"""

import itertools
import re
from collections.abc import Sequence

import numpy as np

from seqlab.data.documents import Document

BIO = "O, B-TYPE or I-TYPE"
_BIO = re.compile(r"O|[BI]-.+")
# As CoNLL cuts text: a run of letters and digits, held together by what stands inside a word, or
# any other character by itself.
_WORD = re.compile(r"\w+(?:[-'’.]\w+)*|[^\w\s]")


def in_scheme(tag: str) -> bool:
  return _BIO.fullmatch(tag) is not None


def may_follow(before: str | None, tag: str) -> bool:
  """Whether the scheme allows `tag` behind `before`, None at a text's start: I-X goes on with
  B-X or I-X.
  """
  return not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag)


def allowed(names: Sequence[str], free: bool = False) -> tuple[np.ndarray, np.ndarray]:
  """What may follow what, bool [C, C] (rows are the tag before), and what may begin, bool [C]. All
  of it where the tags are `free`, or a name is outside the scheme: then they are of another, such
  as parts of speech, or IOB1, whose names look alike.
  """
  free = free or not all(map(in_scheme, names))
  follow = [free or may_follow(a, b) for a, b in itertools.product(names, names)]
  first = np.array([free or may_follow(None, name) for name in names], bool)
  return np.array(follow, bool).reshape(len(names), len(names)), first


def tagged_document(
  id: str, words: Sequence[str], tags: Sequence[str] | None, between: str
) -> Document:
  """A document of words with `between`, a space or nothing, from one to the next."""
  pieces = tuple((between if i else "") + word for i, word in enumerate(words))
  return Document(id, "".join(pieces), words=pieces, tags=None if tags is None else tuple(tags))


def cut(text: str, between: str) -> list[str]:
  """The words of a text as a tagged corpus has them: words and punctuation where there are spaces
  between them, else characters.
  """
  return _WORD.findall(text) if between else [c for c in text if not c.isspace()]
