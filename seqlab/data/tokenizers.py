"""Text to ids and back: `config.data.tokenizer`.

A tokenizer owes the rest: `encode` never gives a special id, whatever the text says (a text that
contains `<|endoftext|>` is spelled out); `decode` always gives valid UTF-8; what `save` wrote,
`load` reads without importing `tokenizers`, which is needed only to encode with a subword
vocabulary.
"""

import codecs
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from seqlab.errors import UserError

END, PAD, UNKNOWN = "<|endoftext|>", "<|pad|>", "<unk>"
_FILE = "seqlab.json"


class Tokenizer(Protocol):
  """`vocab` ids, of which `eot` begins every document and `pad` fills rows; neither comes from
  text. `silent` ids stand for no text, nor for its end: a sample never holds one. `unknown` is the
  id of what is outside the vocabulary, None where nothing is. `pieces` are the bytes that each id
  adds to a text.
  """

  vocab: int
  eot: int
  pad: int
  silent: tuple[int, ...]

  @property
  def unknown(self) -> int | None: ...
  def encode(self, text: str) -> np.ndarray: ...
  def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]: ...
  def decode(self, ids: Iterable[int]) -> str: ...
  def pieces(self) -> list[bytes]: ...
  def stream(self) -> "Stream": ...
  def description(self) -> dict[str, Any]: ...


class Stream(Protocol):
  """Decodes ids as they are sampled: a character cut between two tokens waits until it is whole."""

  def push(self, ids: Iterable[int]) -> str: ...
  def finish(self) -> str: ...


class ByteStream:
  """Streaming decode for a tokenizer whose ids stand for bytes."""

  def __init__(self, pieces: Sequence[bytes]):
    self._pieces = pieces
    self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

  def push(self, ids: Iterable[int]) -> str:
    return self._decoder.decode(b"".join(_pieces_of(self._pieces, ids)))

  def finish(self) -> str:
    return self._decoder.decode(b"", final=True)


def _pieces_of(pieces: Sequence[bytes], ids: Iterable[int]) -> list[bytes]:
  """The bytes of each id; an id beyond the vocabulary (a padded model may give one) stands for
  nothing.
  """
  count = len(pieces)
  return [pieces[i] if 0 <= i < count else b"" for i in map(int, ids)]


class Bytes:
  """The 256 bytes of UTF-8, then end-of-text and padding: nothing to train, every text fits."""

  vocab, eot, pad, unknown = 258, 256, 257, None
  silent: tuple[int, ...] = (pad,)

  def encode(self, text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)

  def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
    return [self.encode(text) for text in texts]

  def decode(self, ids: Iterable[int]) -> str:
    ids = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
    return ids[(ids >= 0) & (ids < 256)].astype(np.uint8).tobytes().decode("utf-8", "replace")

  def pieces(self) -> list[bytes]:
    return [*(bytes([i]) for i in range(256)), b"", b""]

  def stream(self) -> Stream:
    return ByteStream(self.pieces())

  def description(self) -> dict[str, Any]:
    return {"kind": "bytes"}


class Characters:
  """The characters of the training text, after end-of-text, padding and the one for unseen
  characters.
  """

  eot, pad, unknown = 0, 1, 2
  silent: tuple[int, ...] = (pad, unknown)

  def __init__(self, characters: str):
    self.characters = characters
    self.vocab = 3 + len(characters)
    points = _points(characters).astype(np.int64)
    self._ids = np.full(int(points.max(initial=0)) + 2, self.unknown, np.int32)
    self._ids[points] = np.arange(3, self.vocab, dtype=np.int32)
    self._points = np.concatenate([[0, 0, 0xFFFD], points]).astype("<u4")

  def encode(self, text: str) -> np.ndarray:
    return self._ids[np.minimum(_points(text), len(self._ids) - 1)]

  def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
    return [self.encode(text) for text in texts]

  def decode(self, ids: Iterable[int]) -> str:
    ids = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids), np.int64)
    return self._points[ids[(ids >= 2) & (ids < self.vocab)]].tobytes().decode("utf-32-le")

  def pieces(self) -> list[bytes]:
    return [b"", b"", "\ufffd".encode(), *(c.encode() for c in self.characters)]

  def stream(self) -> Stream:
    return ByteStream(self.pieces())

  def description(self) -> dict[str, Any]:
    return {"kind": "characters", "characters": self.characters}


class Words:
  """The words of the training text, which end at white space, after end-of-text, padding and the
  one for other words. Decoding joins them with single spaces: how they were spaced is lost.
  """

  eot, pad, unknown = 0, 1, 2
  silent: tuple[int, ...] = (pad, unknown)

  def __init__(self, words: Sequence[str]):
    self.words = tuple(words)
    self.vocab = 3 + len(self.words)
    self._ids = {word: number for number, word in enumerate(self.words, 3)}
    self._texts = ("", "", UNKNOWN, *self.words)

  def encode(self, text: str) -> np.ndarray:
    return np.array([self._ids.get(word, self.unknown) for word in text.split()], np.int32)

  def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
    return [self.encode(text) for text in texts]

  def decode(self, ids: Iterable[int]) -> str:
    return " ".join(self._texts[i] for i in map(int, ids) if self.unknown <= i < self.vocab)

  def pieces(self) -> list[bytes]:
    return [b"", b"", *(f" {text}".encode() for text in self._texts[2:])]

  def stream(self) -> Stream:
    return WordStream(self)

  def description(self) -> dict[str, Any]:
    return {"kind": "words", "words": list(self.words)}


class WordStream:
  """Streaming decode for whole words: the space is shown with the word behind it."""

  def __init__(self, tokenizer: Words):
    self._tokenizer, self._begun = tokenizer, False

  def push(self, ids: Iterable[int]) -> str:
    text = self._tokenizer.decode(ids)
    space = " " if text and self._begun else ""
    self._begun = self._begun or bool(text)
    return space + text

  def finish(self) -> str:
    return ""


def _points(text: str) -> np.ndarray:
  return np.frombuffer(text.encode("utf-32-le"), "<u4")


def save_tokenizer(tokenizer: Tokenizer, folder: str | pathlib.Path) -> None:
  """Writes the tokenizer into `folder`, which is made; a subword vocabulary also as
  `tokenizer.json`.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  description = dict(tokenizer.description())
  if "json" in description:
    (folder / "tokenizer.json").write_text(description.pop("json"), encoding="utf-8")
  (folder / _FILE).write_text(json.dumps(description), encoding="utf-8")


def load_tokenizer(folder: str | pathlib.Path) -> Tokenizer:
  """Reads what `save_tokenizer` wrote; encodes and decodes exactly as the one that was saved."""
  from seqlab.data.subwords import Subwords

  folder = pathlib.Path(folder)
  try:
    description = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    if description["kind"] == "subwords":
      text = (folder / "tokenizer.json").read_text(encoding="utf-8")
      return Subwords(text, description["eot"], description["pad"])
    if description["kind"] == "words":
      return Words(description["words"])
  except (OSError, ValueError, KeyError) as error:
    raise UserError(f"{folder}: no tokenizer that seqlab saved is here ({error})") from None
  return Bytes() if description["kind"] == "bytes" else Characters(description["characters"])
