"""Writes a token store so that it is whole or absent, whoever is killed and however many try at
once.

Everything goes into a hidden folder, is fsynced, and takes its name in one rename after meta.json.
A file lock lets one process write while the others wait and then find the store; where a file
system has no locks they all write, and the first rename wins. `flock` dies with its holder, so a
killed writer blocks nobody.
"""

import collections
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from seqlab.data.documents import Document
from seqlab.data.durable import HashingFile, fsync, mending
from seqlab.data.split import SPLITS
from seqlab.data.store import FORMAT, SHARD, Store
from seqlab.data.tag_writer import TagWriter
from seqlab.data.tokenizers import Tokenizer, save_tokenizer
from seqlab.errors import UserError

_BATCH = 1 << 20  # characters per call of the tokenizer: enough for its threads, little for memory


def write_store(
  root: pathlib.Path,
  fingerprint: str,
  tokenizer: Tokenizer,
  pairs: Iterable[tuple[str, Document]],
  about: dict[str, Any],
  progress: Callable[[int], None] = lambda bytes_done: None,
  names: Sequence[str] = SPLITS,
  key: str = "config.data.source",
) -> Store:
  """Tokenises (split, document) pairs of the splits `names` into `root/fingerprint`; call it while
  holding `one_writer`.

  `about` goes into meta.json as it is (source, valid, tokenizer). `progress` is told the bytes of
  text done. `key` is what errors call the source.

  Raises:
    UserError: the disk is full, the folder is not writable, some documents have labels or tags and
      others none, a word with a tag has no token.
  """
  final, folder = root / fingerprint, root / f".{fingerprint}-{secrets.token_hex(4)}"
  with mending(root):
    try:
      folder.mkdir(parents=True)
      splits = {name: _SplitWriter(folder, name, tokenizer) for name in names}
      done = 0
      for name, documents in _batched(pairs):
        done += splits[name].add(documents)
        progress(done)
      _check_not_empty(splits, about, key)
      between = _between(splits, key)
      classes = sorted({name for split in splits.values() for name in split.tags.names})
      classes = classes or _label_names([label for s in splits.values() for label in s.labels], key)
      meta = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        **about,
        "dtype": splits["train"].dtype.str,
        "vocab": tokenizer.vocab,
        "eot": tokenizer.eot,
        "pad": tokenizer.pad,
        "labels": [str(name) for name in classes],
        "pairs": _paired(splits, key),
        "between": between,
        "splits": {name: split.close(classes) for name, split in splits.items()},
      }
      save_tokenizer(tokenizer, folder / "tokenizer")
      for path in folder.rglob("*"):
        fsync(path)
      (folder / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False), "utf-8")
      fsync(folder / "meta.json")
      fsync(folder)
      try:
        os.rename(folder, final)
      except OSError:
        if not (final / "meta.json").exists():
          raise
        # Another writer was first, on a file system without locks: theirs is the same store.
      fsync(root)
    finally:
      shutil.rmtree(folder, ignore_errors=True)
  return Store(final)


class _SplitWriter:
  """Appends the documents of one split to its files and counts what goes in."""

  def __init__(self, folder: pathlib.Path, name: str, tokenizer: Tokenizer):
    self._folder, self._name, self._tokenizer = folder, name, tokenizer
    self.dtype = np.dtype("<u2" if tokenizer.vocab <= 1 << 16 else "<u4")
    (folder / name).mkdir()
    self._shard = 0
    self._file = HashingFile(folder, f"{name}/tokens-00000.bin")
    self._closed: list[dict[str, Any]] = []
    self.starts: list[int] = [0]
    self.labels: list[Any] = []
    self.sides: set[int] = set()  # texts a document has: 2 where it has a source
    self.tags = TagWriter()
    self.counts = {"documents": 0, "bytes": 0, "characters": 0, "unknown": 0}

  def add(self, documents: list[Document]) -> int:
    eot = np.array([self._tokenizer.eot], self.dtype)
    pieces, bytes_here = [], 0
    texts = [document.pieces() for document in documents]
    encoded = iter(self._tokenizer.encode_batch([text for own in texts for text in own]))
    for document, own in zip(documents, texts, strict=True):
      found = [next(encoded) for _ in own]
      if document.tags:
        self.tags.add(document, found)
        found = [np.concatenate(found)]
      for ids in found:
        pieces += [eot, ids.astype(self.dtype)]
        self.starts.append(self.starts[-1] + 1 + len(ids))
        if self._tokenizer.unknown is not None:
          self.counts["unknown"] += int((ids == self._tokenizer.unknown).sum())
      self.labels.append(document.label)
      self.sides.add(len(document.texts()))
      bytes_here += len(document.text.encode())
      self.counts["characters"] += len(document.text)
    self.counts["documents"] += len(documents)
    self.counts["bytes"] += bytes_here
    self._append(np.concatenate(pieces))
    return bytes_here

  def close(self, names: list[Any]) -> dict[str, Any]:
    self._append(np.array([self._tokenizer.eot], self.dtype))
    extra = {"documents.bin": np.array(self.starts, "<i8")}
    if self.tags.names:
      extra["tags.bin"] = self.tags.numbered(names)
    elif names:
      number = {name: i for i, name in enumerate(names)}
      extra["labels.bin"] = np.array([number[label] for label in self.labels], "<i4")
    self._closed.append(self._file.close())
    for name, array in extra.items():
      file = HashingFile(self._folder, f"{self._name}/{name}")
      file.write(array)
      self._closed.append(file.close())
    return {"tokens": self.starts[-1] + 1, **self.counts, "files": self._closed}

  def _append(self, ids: np.ndarray) -> None:
    while len(ids):
      room = SHARD - self._file.size // self.dtype.itemsize
      if not room:
        self._closed.append(self._file.close())
        self._shard += 1
        self._file = HashingFile(self._folder, f"{self._name}/tokens-{self._shard:05d}.bin")
        continue
      self._file.write(ids[:room])
      ids = ids[room:]


def _batched(pairs: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, list[Document]]]:
  """Groups each split's documents, in their order, into batches of about `_BATCH` characters."""
  waiting: dict[str, list[Document]] = {}
  sizes: dict[str, int] = collections.defaultdict(int)
  for split, document in pairs:
    if not document.text:
      continue
    waiting.setdefault(split, []).append(document)
    sizes[split] += len(document.text)
    if sizes[split] >= _BATCH:
      yield split, waiting.pop(split)
      sizes[split] = 0
  yield from waiting.items()


def _check_not_empty(splits: dict[str, _SplitWriter], about: dict[str, Any], key: str) -> None:
  if splits["train"].counts["documents"]:
    return
  held = sum(split.counts["documents"] for split in splits.values())
  source = f"{key}={about['source']!r}"
  if not held:
    raise UserError(f"{source}: no text in it; a source with text is wanted")
  raise UserError(
    f"{source}: config.data.valid={about['valid']!r} takes all {held} documents and leaves none "
    "for training; use 'tail(fraction=0.1)' for few long documents"
  )


def _paired(splits: dict[str, _SplitWriter], key: str) -> bool:
  """Whether every document stands behind its source, as two documents of the stream."""
  sides = set().union(*(split.sides for split in splits.values()))
  if len(sides) > 1:
    raise UserError(f"{key}: some texts have a source to be written from, others none")
  return 2 in sides


def _between(splits: dict[str, _SplitWriter], key: str) -> str | None:
  """What stands between the words that have tags; None where there are no tags."""
  tagged = sum(split.tags.documents for split in splits.values())
  if not tagged:
    return None
  if tagged < sum(split.counts["documents"] for split in splits.values()):
    raise UserError(f"{key}: some texts have tags, others none")
  return " " if any(split.tags.spaced for split in splits.values()) else ""


def _label_names(labels: list[Any], key: str) -> list[Any]:
  """The distinct labels in order: by value where all are numbers, else by name; [] without any."""
  distinct = set(labels)
  if distinct <= {None}:
    return []
  if None in distinct:
    raise UserError(
      f"{key}: some documents have a label, others none; give `label` to every source"
    )
  try:
    return sorted(distinct, key=lambda name: (int(name), str(name)))
  except (ValueError, OverflowError):
    return sorted(distinct, key=str)
