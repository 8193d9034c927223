"""Text into words: what a tokenizer of words, WordPiece or a bag of words wants to read.

Words are separated by one space and punctuation is a word, so that splitting at spaces gives the
words back. English contractions are taken apart as in the Penn Treebank (`do n't`, `man 's`). A
run of Chinese characters is cut by the dictionary and the hidden Markov model of `jieba`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from seqlab.data.cleaning.base import Step, package
from seqlab.errors import UserError, nearest

_LANGUAGES, _HYPHENS = ("auto", "european"), ("inside", "apart")
_LETTER = r"[[\p{L}\p{M}\p{N}_]--\p{Han}]"
_NOT = r"[nN]['’][tT]\b"
_HYPHENATED = rf"(?:-{_LETTER}+)*"
_WORD = (
  rf"{_NOT}|['’](?:[sS]|[mM]|[dD]|[rR][eE]|[vV][eE]|[lL][lL])\b"  # IGNORECASE is four times slower
  r"|\d+(?:[.,:]\d+)+"  # 3.5, 10,000, 12:30
  rf"|{_LETTER}+{_HYPHENATED}|(?P<chinese>\p{{Han}}+)"
  r"|\.{2,}|-{2,}"
  r"|(?!\s)\X"  # any other character as it is seen, an emoji with its parts
)


def words(config_key: str, language: str = "auto", hyphens: str = "inside") -> Step:
  """Words and punctuation, separated by spaces.

  language: "auto" cuts runs of Chinese characters too; "european" takes such a run as one word.
  hyphens: "inside" words, as in the Penn Treebank, or "apart" (`t - shirt`), as spaCy has them.
  """
  for name, value, choices in (
    ("language", language, _LANGUAGES), ("hyphens", hyphens, _HYPHENS)
  ):  # fmt: skip
    if value not in choices:
      raise UserError(
        f"{config_key}: {name}={value!r} of words() must be one of {', '.join(choices)}"
        f"{nearest(value, choices)}"
      )
  cut = functools.partial(chinese_words, config_key) if language == "auto" else None
  return Step(lambda text: " ".join(split_words(text, cut, hyphens)))


def split_words(
  text: str,
  chinese: Callable[[], Callable[[str], list[str]]] | None = None,
  hyphens: str = "inside",
) -> Iterator[str]:
  """The words and punctuation of a text; `chinese` gives what cuts a run of Chinese characters."""
  word, contracted = _patterns(hyphens)
  for found in word.finditer(contracted.sub(r" \g<0>", text)):
    if chinese and found["chinese"]:
      yield from chinese()(found[0])
    else:
      yield found[0]


@functools.cache
def _patterns(hyphens: str) -> tuple[Any, Any]:
  import regex

  word = _WORD if hyphens == "inside" else _WORD.replace(_HYPHENATED, "")
  return tuple(regex.compile(one, regex.VERSION1) for one in (word, rf"(?<=\p{{L}}){_NOT}"))


@functools.cache
def chinese_words(config_key: str, step: str = "words()") -> Callable[[str], list[str]]:
  """What cuts a run of Chinese characters. Loaded with the first Chinese text: the dictionary takes
  a second.

  Raises:
    UserError: `step` of the key needs a package that is not installed.
  """
  jieba = package("jieba", step, config_key)
  tokenizer = jieba.Tokenizer()
  jieba.setLogLevel("WARNING")  # it tells on stderr that it loads
  return tokenizer.lcut
