"""The token store: one folder that holds a tokenised source, written once and read by `pread`.

  meta.json             written last, so a folder without it is no store; "pairs": each text stands
                        behind its source, as two documents of the stream; "between": what
                        stands between the words that have tags
  tokenizer/            what `load_tokenizer` reads
  train/, valid/, and test/ where the split has one
    tokens-00000.bin    and so on: uint16 where the vocabulary fits, else uint32, little-endian
    documents.bin       int64: where each document starts, and last where the stream ends
    labels.bin          int32, one per document, where the source has labels
    tags.bin            int16, one per token, where the source has tags: on the first token of a
                        word, -1 elsewhere

A stream is `eot t1..tn eot t1..tm ... eot`: every document begins with end-of-text and one more
closes the stream. So every token of text, and the end of every document, is the label of exactly
one position. `pread` and not `mmap`: cold random windows read 135 times less from disk, and
resident memory stays flat.
"""

import copy
import functools
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.data.tokenizers import Tokenizer, load_tokenizer
from seqlab.errors import UserError

FORMAT = 1
SHARD = 2**30  # tokens per file


class Store:
  """A prepared source. `meta` says what it holds: fingerprint, source, vocab, eot, pad, labels and
  splits.
  """

  def __init__(self, folder: str | pathlib.Path):
    """Opens the store and checks that every file has the size that meta.json gives.

    Raises:
      UserError: there is no store here, or it is damaged.
    """
    self.folder = pathlib.Path(folder)
    self._numbers: np.ndarray | None = None  # of the classes, where they are not those of the files
    try:
      self.meta: dict[str, Any] = json.loads((self.folder / "meta.json").read_text("utf-8"))
      listed = [f for split in self.meta["splits"].values() for f in split["files"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
      raise UserError(
        f"{self.folder}: not a token store, meta.json is unreadable ({error})"
      ) from None
    for entry in listed:
      file = self.folder / entry["name"]
      size = file.stat().st_size if file.exists() else None
      if size != entry["bytes"]:
        found = "is missing" if size is None else f"holds {size} bytes"
        raise UserError(
          f"{file}: damaged store, the file {found} where meta.json says {entry['bytes']}; "
          f"delete {self.folder} and prepare again"
        )

  @property
  def fingerprint(self) -> str:
    return self.meta["fingerprint"]

  def numbered(self, labels: Sequence[str], key: str) -> "Store":
    """The same store with its classes numbered by their places in `labels`; `key` is what errors
    call its source.

    Raises:
      UserError: it has a class that is not among them.
    """
    if strange := [name for name in self.meta["labels"] if name not in labels]:
      raise UserError(
        f"{key}={self.meta['source']}: unknown labels {', '.join(strange[:5])}; "
        f"the classes are {', '.join(labels)}"
      )
    other = copy.copy(self)
    other._numbers = np.array([labels.index(name) for name in self.meta["labels"]], "<i4")
    other.meta = {**self.meta, "labels": list(labels)}
    return other

  @functools.cached_property
  def tokenizer(self) -> Tokenizer:
    return load_tokenizer(self.folder / "tokenizer")

  def split(self, name: str) -> "Tokens":
    count, dtype = self.meta["splits"][name]["tokens"], self.meta["dtype"]
    of = dict(pairs=self.meta.get("pairs", False), vocab=self.meta["vocab"])
    return Tokens(self.folder / name, count, dtype, numbers=self._numbers, **of)

  def verify(self) -> None:
    """Reads every file again and compares it with the sha256 of its writing; raises UserError."""
    import hashlib

    for split in self.meta["splits"].values():
      for entry in split["files"]:
        with open(self.folder / entry["name"], "rb") as stream:
          if hashlib.file_digest(stream, "sha256").hexdigest() != entry["sha256"]:
            raise UserError(
              f"{self.folder / entry['name']}: damaged store, its bytes have changed since "
              f"then; delete {self.folder} and prepare again"
            )


class Tokens:
  """The token stream of one split. `count` tokens, of which all but the first are labels."""

  def __init__(
    self,
    folder: pathlib.Path,
    count: int,
    dtype: str,
    shard: int = SHARD,
    numbers: np.ndarray | None = None,
    pairs: bool = False,
    vocab: int = 0,
  ):
    self.pairs, self.vocab = pairs, vocab
    self.folder, self.count, self.dtype, self._shard = folder, count, np.dtype(dtype), shard
    self._numbers = numbers
    self._files: dict[int, int] = {}

  def __getstate__(self) -> dict[str, Any]:
    kept = {k: v for k, v in self.__dict__.items() if k not in ("documents", "labels", "tags")}
    return {**kept, "_files": {}}  # descriptors and maps are opened again where they are needed

  def __del__(self):
    for descriptor in self._files.values():
      os.close(descriptor)

  @functools.cached_property
  def documents(self) -> np.ndarray:
    """int64 [documents + 1]: where each document's first token is, and last the closing one."""
    return np.memmap(self.folder / "documents.bin", "<i8", "r")

  @functools.cached_property
  def labels(self) -> np.ndarray | None:
    """int32 [documents], or None where the source has no labels."""
    file = self.folder / "labels.bin"
    if not file.exists():
      return None
    labels = np.fromfile(file, "<i4")
    return labels if self._numbers is None else self._numbers[labels]

  @functools.cached_property
  def tags(self) -> np.ndarray | None:
    """int16 [count], -1 where a token has none; None where the source has no tags."""
    file = self.folder / "tags.bin"
    if not file.exists():
      return None
    tags = np.fromfile(file, "<i2")
    return tags if self._numbers is None else np.where(tags < 0, -1, self._numbers[tags])

  def read(self, start: int, out: np.ndarray) -> None:
    """Fills `out`, a contiguous array of the store's dtype, with the tokens from `start` on."""
    while len(out):
      number, offset = divmod(start, self._shard)
      size = self.dtype.itemsize
      got = (
        os.preadv(self._open(number), [out.data], offset * size) // size
      )  # short at a shard's end
      if not got:
        raise EOFError(f"{self.folder}: no token {start}; the stream holds {self.count}")
      start, out = start + got, out[got:]

  def _open(self, number: int) -> int:
    if number not in self._files:
      descriptor = os.open(self.folder / f"tokens-{number:05d}.bin", os.O_RDONLY)
      if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # no read-ahead around each window
      self._files[number] = descriptor
    return self._files[number]
