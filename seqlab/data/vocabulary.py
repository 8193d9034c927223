"""From the spec `config.data.tokenizer` to a tokenizer, trained on the training text where it needs
that.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from seqlab.data.files import find, identify, sha256_of
from seqlab.data.tokenizers import Bytes, Characters, Tokenizer, Words, load_tokenizer
from seqlab.errors import UserError
from seqlab.spec import Call, make, parse_one

Texts = Callable[[], Iterable[str]]


@dataclasses.dataclass(frozen=True)
class Plan:
  """How to make a tokenizer; `trained` says that the training text is part of what it becomes."""

  identity: tuple[Any, ...]
  trained: bool
  make: Callable[[Sequence[Texts]], Tokenizer]

  def fingerprint(self, corpus: Sequence[str]) -> str:
    """The tokenizer's identity; `corpus` are the fingerprints of sources and split it would be
    trained on.
    """
    return identify((self.identity, list(corpus) if self.trained else None))


def plan_tokenizer(text: str, key: str = "config.data.tokenizer") -> Plan:
  """Reads the spec and checks its arguments, without touching any text yet."""
  call = parse_one(text, key)
  return make(Call(call.name, call.kwargs), TOKENIZERS, key, config_key=key)


def byte_level(config_key: str) -> Plan:
  """The 256 bytes; nothing to train."""
  return Plan(("bytes",), False, lambda texts: Bytes())


def characters(config_key: str) -> Plan:
  """Every character of the training text."""

  def train(texts: Sequence[Texts]) -> Tokenizer:
    found: set[str] = set()
    for read in texts:
      for text in read():
        found.update(text)
    return Characters("".join(sorted(found)))

  return Plan(("characters",), True, train)


def words(config_key: str, min_count: int = 2) -> Plan:
  """Every word that stands `min_count` times or more in the training text, the most frequent first;
  a word ends at white space, so `config.data.clean` decides what one is (words(), say).
  """
  if min_count < 1:
    raise UserError(f"{config_key}: min_count={min_count} of words() must be 1 or more")

  def train(texts: Sequence[Texts]) -> Tokenizer:
    counts: collections.Counter[str] = collections.Counter()
    for read in texts:
      for text in read():
        counts.update(text.split())
    kept = [word for word, count in counts.items() if count >= min_count]
    return Words(sorted(kept, key=lambda word: (-counts[word], word)))

  return Plan(("words", min_count), True, train)


def bpe(config_key: str, vocab: int = 4096, megabytes: float = 100) -> Plan:
  """Byte-level BPE, trained on the first `megabytes` of training text, shared evenly between
  sources.
  """
  return _subwords("bpe", vocab, megabytes, 258, "256 bytes, two specials", config_key)


def unigram(config_key: str, vocab: int = 4096, megabytes: float = 10) -> Plan:
  """A Unigram model with bytes for rare characters, trained as bpe() is but slowly: 10 MB of
  Chinese take minutes.
  """
  least = "256 bytes, three specials, ASCII"
  return _subwords("unigram", vocab, megabytes, 400, least, config_key)


def wordpiece(config_key: str, vocab: int = 4096, megabytes: float = 100) -> Plan:
  """WordPiece over words that end at white space, trained as bpe() is. Text without spaces wants
  words() in `config.data.clean`.
  """
  return _subwords("wordpiece", vocab, megabytes, 4, "three specials", config_key)


def _subwords(
  name: str, vocab: int, megabytes: float, least: int, why: str, config_key: str
) -> Plan:
  if vocab < least:
    raise UserError(f"{config_key}: vocab={vocab} of {name}() must be at least {least} ({why})")
  if not megabytes > 0:
    raise UserError(f"{config_key}: megabytes={megabytes!r} of {name}() must be above 0")

  def train(texts: Sequence[Texts]) -> Tokenizer:
    from seqlab.data import training

    learn = getattr(training, f"train_{name}")
    share = megabytes * 1e6 / len(texts)
    return learn((text for read in texts for text in _first(read(), share)), vocab)

  return Plan((name, vocab, megabytes), True, train)


def file(config_key: str, path: str = "", eot: str | None = None) -> Plan:
  """Any tokenizer.json; or, to go on with a vocabulary, the folder of a store or saved tokenizer.

  `eot` names the end-of-text token of a tokenizer.json where that is an unusual one.
  """
  saved = pathlib.Path(path).expanduser()
  if path and saved.is_dir():
    inside = saved / "tokenizer"
    made = load_tokenizer(inside if inside.is_dir() else saved)
    return Plan(("saved", made.description()), False, lambda texts: made)
  ((found, _),) = find(path, config_key)[:1]

  def read(texts: Sequence[Texts]) -> Tokenizer:
    from seqlab.data.subwords import read_tokenizer_json

    return read_tokenizer_json(
      pathlib.Path(found).read_text(encoding="utf-8"), path, eot, config_key
    )

  return Plan(("file", sha256_of(found), eot), False, read)


TOKENIZERS: dict[str, Callable[..., Plan]] = {
  "bytes": byte_level,
  "characters": characters,
  "words": words,
  "bpe": bpe,
  "unigram": unigram,
  "wordpiece": wordpiece,
  "file": file,
}


def _first(texts: Iterable[str], size: float) -> Iterator[str]:
  """Texts until `size` bytes are reached, the last one cut, so that one huge document is no
  exception.
  """
  for text in texts:
    raw = text.encode()
    if len(raw) >= size:
      yield raw[: int(size)].decode("utf-8", "ignore")
      return
    size -= len(raw)
    yield text
