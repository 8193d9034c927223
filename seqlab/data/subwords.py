"""Subword vocabularies: any tokenizer.json, trained here or not, through `tokenizers`."""

import functools
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seqlab.data.tokenizers import END, PAD, ByteStream, Stream, _pieces_of
from seqlab.errors import UserError, nearest

_PIECE = 1 << 20  # characters that are encoded at once
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


class Subwords:
  """A tokenizer.json. Where it is byte-level, decoding needs its vocabulary, not the library."""

  def __init__(self, text: str, eot: int, pad: int):
    self.text, self.eot, self.pad = text, eot, pad
    entries = _entries(json.loads(text))
    self.vocab = 1 + max(i for _, i, _ in entries)
    special = {i for _, i, special in entries if special} | {pad}
    self.unknown = _unknown(json.loads(text))
    never = special if self.unknown is None else special | {self.unknown}
    self.silent = tuple(sorted(never - {eot}))
    self._pieces = _byte_pieces(json.loads(text), self.vocab)

  @functools.cached_property
  def _tokenizer(self) -> Any:
    import tokenizers

    made = tokenizers.Tokenizer.from_str(self.text)
    made.encode_special_tokens = True  # spell `<|endoftext|>` out; the file does not keep this
    made.no_truncation()
    made.no_padding()
    return made

  def encode(self, text: str) -> np.ndarray:
    return self.encode_batch([text])[0]

  def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
    short = [text for text in texts if len(text) <= _PIECE]
    encoded = iter(self._tokenizer.encode_batch_fast(short, add_special_tokens=False))
    return [
      self._spelled(text, np.array(next(encoded).ids, np.int32))
      if len(text) <= _PIECE
      else self._encode_huge(text)
      for text in texts
    ]

  def _encode_huge(self, text: str) -> np.ndarray:
    """A few pieces at a time: an encoding takes 100 bytes a token until its ids are taken out."""
    pieces = _pieces(text)
    groups = [pieces[i : i + 4] for i in range(0, len(pieces), 4)]
    return np.concatenate([ids for group in groups for ids in self.encode_batch(group)])

  def _spelled(self, text: str, ids: np.ndarray) -> np.ndarray:
    """Makes sure that no special id came from text: a Unigram model has `</s>` among its pieces."""
    special = np.isin(ids, (self.eot, self.pad))
    if not special.any():
      return ids
    for content, i, _ in _entries(json.loads(self.text)):
      if i in (self.eot, self.pad) and content in text and len(content) > 1:
        between = (content[:1], content[1:])
        parts = [p for piece in text.split(content) for p in (*between, piece)][2:]
        return np.concatenate(self.encode_batch(parts))
    return ids[~special]  # a normaliser made it up from other characters

  def decode(self, ids: Iterable[int]) -> str:
    if self._pieces is not None:
      return b"".join(_pieces_of(self._pieces, ids)).decode("utf-8", "replace")
    known = [i for i in map(int, ids) if 0 <= i < self.vocab]
    return self._tokenizer.decode(known, skip_special_tokens=True)

  def pieces(self) -> list[bytes]:
    """Where ids do not stand for bytes, of the text as far as it is known: WordPiece has lost its
    spaces, and has one before each word that does not begin with a Chinese character.
    """
    return self._pieces or _text_pieces(json.loads(self.text), self.vocab)

  def stream(self) -> Stream:
    return ByteStream(self._pieces) if self._pieces is not None else WindowStream(self)

  def description(self) -> dict[str, Any]:
    return {"kind": "subwords", "json": self.text, "eot": self.eot, "pad": self.pad}


class WindowStream:
  """Streaming decode where a token's text depends on its neighbours: the new end of a short window
  is shown.
  """

  def __init__(self, tokenizer: Subwords):
    self._tokenizer = tokenizer
    self._shown: list[int] = []  # context already printed
    self._waiting: list[int] = []

  def push(self, ids: Iterable[int]) -> str:
    return "".join(self._one(int(i), waits=8) for i in ids)

  def finish(self) -> str:
    return self._one(None, waits=0)

  def _one(self, id: int | None, waits: int) -> str:
    if id is not None:
      self._waiting.append(id)
    before = self._tokenizer.decode(self._shown)
    whole = self._tokenizer.decode(self._shown + self._waiting)
    if whole.endswith("\ufffd") and len(self._waiting) < waits:
      return ""  # perhaps half a character: the next token may complete it
    self._shown, self._waiting = self._waiting or self._shown, []
    return whole[len(before) :]


def read_tokenizer_json(text: str, path: str, eot: str | None, key: str) -> Subwords:
  """Any tokenizer.json; `eot` names its end-of-text token where it is none of the usual ones."""
  try:
    ids = {content: i for content, i, _ in _entries(json.loads(text))}
    import tokenizers

    tokenizers.Tokenizer.from_str(text)
  except Exception as error:  # `tokenizers` raises plain Exception
    raise UserError(f"{key}: {path} is not a tokenizer.json ({error})") from None
  usual = (END, "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>", "[SEP]")
  name = eot if eot is not None else next((n for n in usual if n in ids), None)
  if name not in ids:
    special = [content for content, _, special in _entries(json.loads(text)) if special]
    raise UserError(
      f"{key}: {path} has no end-of-text token {name or 'that is known'}"
      f"{nearest(name or '', special)}; name it, file(path=..., eot='...'); "
      f"its special tokens: {', '.join(special) or 'none'}"
    )
  pad = next((ids[n] for n in (PAD, "<pad>", "[PAD]") if n in ids), ids[name])
  return Subwords(text, ids[name], pad)


def _entries(data: dict[str, Any]) -> list[tuple[str, int, bool]]:
  """(content, id, special) of every token: the model's vocabulary, then the added tokens."""
  vocab = data["model"].get("vocab", {})
  if isinstance(vocab, dict):
    pairs = [(content, i, False) for content, i in vocab.items()]
  else:  # Unigram: a list of (content, score)
    pairs = [(entry[0], i, False) for i, entry in enumerate(vocab)]
  return pairs + [(t["content"], t["id"], t["special"]) for t in data.get("added_tokens", [])]


def _unknown(data: dict[str, Any]) -> int | None:
  """The id that stands for what the vocabulary cannot spell; None where the file has none."""
  model = data["model"]
  if "unk_id" in model:  # Unigram
    return model["unk_id"]
  return next((i for content, i, _ in _entries(data) if content == model.get("unk_token")), None)


def _pieces(text: str) -> list[str]:
  """Cuts a huge text into pieces of at most `_PIECE` characters.

  A cut is made where a run of spaces begins, at which byte-level words end anyway.
  """
  pieces, start = [], 0
  while len(text) - start > _PIECE:
    end = start + _PIECE
    space = re.search(r"\s\S", text[end - 1 : end - 1001 : -1])  # read backwards
    end -= space.end() - 1 if space else 0
    pieces.append(text[start:end])
    start = end
  return [*pieces, text[start:]]


def _byte_pieces(data: dict[str, Any], vocab: int) -> list[bytes] | None:
  """The bytes of each id, or None where ids do not stand for bytes. Special tokens print as
  nothing.
  """
  if (data.get("decoder") or {}).get("type") != "ByteLevel":
    return None
  printable = [*range(33, 127), *range(161, 173), *range(174, 256)]  # GPT-2's alphabet of bytes
  others = [b for b in range(256) if b not in printable]
  byte_of = {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}
  pieces = [b""] * vocab
  added = {t["id"] for t in data.get("added_tokens", [])}
  for content, i, special in _entries(data):
    if special:
      pieces[i] = b""
    elif i in added or any(c not in byte_of for c in content):
      pieces[i] = content.encode()
    else:
      pieces[i] = bytes(byte_of[c] for c in content)
  return pieces


def _text_pieces(data: dict[str, Any], vocab: int) -> list[bytes]:
  """What each id adds to a text, by the usual marks: `##` goes on (WordPiece), `▁` is a space and
  `<0x41>` a byte (SentencePiece), `</w>` ends a word (Sennrich's BPE). Special tokens add nothing.
  """
  model = data["model"]
  more = model.get("continuing_subword_prefix") or ""
  pieces = [b""] * vocab
  for content, i, special in _entries(data):
    if special:
      pieces[i] = b""
    elif re.fullmatch("<0x[0-9A-F]{2}>", content):
      pieces[i] = bytes.fromhex(content[3:5])
    elif more:
      joined = content.startswith(more) or _HAN.match(content)
      pieces[i] = (content.removeprefix(more) if joined else f" {content}").encode()
    else:
      pieces[i] = content.replace("▁", " ").replace("</w>", " ").encode()
  return pieces
