"""Writes a token store so that it is whole or absent, whoever is killed and however many try at
once.

Everything goes into a hidden folder, is fsynced, and takes its name in one rename after meta.json.
A file lock lets one process write while the others wait and then find the store; where a file
system has no locks they all write, and the first rename wins. `flock` dies with its holder, so a
killed writer blocks nobody.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from seqlab.data.sources import Document
from seqlab.data.split import SPLITS
from seqlab.data.store import FORMAT, SHARD, Store
from seqlab.data.tokenizers import Characters, Tokenizer, save_tokenizer
from seqlab.errors import UserError

_BATCH = 1 << 20  # characters per call of the tokenizer: enough for its threads, little for memory


def write_store(
  root: pathlib.Path,
  fingerprint: str,
  tokenizer: Tokenizer,
  pairs: Iterable[tuple[str, Document]],
  about: dict[str, Any],
  progress: Callable[[int], None] = lambda bytes_done: None,
) -> Store:
  """Tokenises (split, document) pairs into `root/fingerprint`; call it while holding `one_writer`.

  `about` goes into meta.json as it is (source, valid, tokenizer). `progress` is told the bytes of
  text done.

  Raises:
    UserError: the disk is full, the folder is not writable, some documents have labels and others
      none.
  """
  final = root / fingerprint
  with mending(root):
    for left in root.glob(f".{fingerprint}-*"):
      shutil.rmtree(left, ignore_errors=True)  # of a killed writer
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f".{fingerprint}-", dir=root))
    try:
      dtype = "<u2" if tokenizer.vocab <= 1 << 16 else "<u4"
      splits = {name: _SplitWriter(folder, name, dtype, tokenizer) for name in SPLITS}
      done = 0
      for name, documents in _batched(pairs):
        done += splits[name].add(documents)
        progress(done)
      if not splits["train"].counts["documents"]:
        held = splits["valid"].counts["documents"]
        raise UserError(
          f"data.source={about['source']!r}: no text for training"
          + (f", data.valid={about['valid']!r} takes all {held} documents" if held else " in it")
          + "; give a source with text, or valid='tail(fraction=0.1)' for few long documents"
        )
      names = _label_names([label for s in splits.values() for label in s.labels])
      meta = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        **about,
        "dtype": dtype,
        "vocab": tokenizer.vocab,
        "eot": tokenizer.eot,
        "pad": tokenizer.pad,
        "labels": [str(name) for name in names],
        "splits": {name: split.close(names) for name, split in splits.items()},
      }
      save_tokenizer(tokenizer, folder / "tokenizer")
      _durable(folder / "meta.json", json.dumps(meta, indent=1, ensure_ascii=False).encode())
      with contextlib.suppress(OSError):  # another writer was first: theirs is the same store
        os.rename(folder, final)
      _fsync(root)
    finally:
      shutil.rmtree(folder, ignore_errors=True)
  return Store(final)


@contextlib.contextmanager
def one_writer(root: pathlib.Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
  """Holds the lock `root/name.lock`; calls `waiting` once if another process has it."""
  with mending(root):
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
  try:
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      waiting()
      fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
      pass  # this file system has no locks: see the module's docstring
    yield
  finally:
    os.close(descriptor)


@contextlib.contextmanager
def mending(root: pathlib.Path) -> Iterator[None]:
  """Turns a full disk and a folder that is not writable into one line that names the key."""
  try:
    yield
  except OSError as error:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
      reason = "the disk is full; free some space or point data.store to another disk"
    elif isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
      reason = "not a folder that can be written; set data.store or SEQLAB_DATA to one that can"
    elif error.errno == errno.EROFS:
      reason = (
        "a read-only file system; set data.store or SEQLAB_DATA to a folder that can be written"
      )
    else:
      raise
    raise UserError(f"data.store={str(root)!r}: {reason}") from None


class _SplitWriter:
  """Appends the documents of one split to its files and counts what goes in."""

  def __init__(self, folder: pathlib.Path, name: str, dtype: str, tokenizer: Tokenizer):
    self._folder, self._name, self._dtype, self._tokenizer = (
      folder,
      name,
      np.dtype(dtype),
      tokenizer,
    )
    (folder / name).mkdir()
    self._shard = 0
    self._file = _HashingFile(folder, f"{name}/tokens-00000.bin")
    self._closed: list[dict[str, Any]] = []
    self.starts, self.labels = [0], []
    self.counts = {"documents": 0, "bytes": 0, "characters": 0, "unknown": 0}

  def add(self, documents: list[Document]) -> int:
    eot = np.array([self._tokenizer.eot], self._dtype)
    pieces, bytes_here = [], 0
    encoded = self._tokenizer.encode_batch([d.text for d in documents])
    for document, ids in zip(documents, encoded, strict=True):
      pieces += [eot, ids.astype(self._dtype)]
      self.starts.append(self.starts[-1] + 1 + len(ids))
      self.labels.append(document.label)
      bytes_here += len(document.text.encode())
      self.counts["characters"] += len(document.text)
      if isinstance(self._tokenizer, Characters):
        self.counts["unknown"] += int((ids == Characters.unknown).sum())
    self.counts["documents"] += len(documents)
    self.counts["bytes"] += bytes_here
    self._append(np.concatenate(pieces))
    return bytes_here

  def close(self, names: list[Any]) -> dict[str, Any]:
    self._append(np.array([self._tokenizer.eot], self._dtype))
    extra = {"documents.bin": np.array(self.starts, "<i8")}
    if names:
      number = {name: i for i, name in enumerate(names)}
      extra["labels.bin"] = np.array([number[label] for label in self.labels], "<i4")
    self._closed.append(self._file.close())
    for name, array in extra.items():
      file = _HashingFile(self._folder, f"{self._name}/{name}")
      file.write(array)
      self._closed.append(file.close())
    return {"tokens": self.starts[-1] + 1, **self.counts, "files": self._closed}

  def _append(self, ids: np.ndarray) -> None:
    while len(ids):
      room = SHARD - self._file.size // self._dtype.itemsize
      if not room:
        self._closed.append(self._file.close())
        self._shard += 1
        self._file = _HashingFile(self._folder, f"{self._name}/tokens-{self._shard:05d}.bin")
        continue
      self._file.write(ids[:room])
      ids = ids[room:]


class _HashingFile:
  """A file that knows its size and sha256 when it is closed, and is on the disk by then."""

  def __init__(self, folder: pathlib.Path, name: str):
    self._name, self._digest = name, hashlib.sha256()
    self._stream = open(folder / name, "wb")  # noqa: SIM115  (closed by close)
    self.size = 0

  def write(self, array: np.ndarray) -> None:
    raw = array.tobytes()
    self._stream.write(raw)
    self._digest.update(raw)
    self.size += len(raw)

  def close(self) -> dict[str, Any]:
    self._stream.flush()
    os.fsync(self._stream.fileno())
    self._stream.close()
    return {"name": self._name, "bytes": self.size, "sha256": self._digest.hexdigest()}


def _batched(pairs: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, list[Document]]]:
  """Groups each split's documents, in their order, into batches of about `_BATCH` characters."""
  waiting: dict[str, list[Document]] = {}
  sizes: dict[str, int] = dict.fromkeys(SPLITS, 0)
  for split, document in pairs:
    if not document.text:
      continue
    waiting.setdefault(split, []).append(document)
    sizes[split] += len(document.text)
    if sizes[split] >= _BATCH:
      yield split, waiting.pop(split)
      sizes[split] = 0
  yield from waiting.items()


def _label_names(labels: list[Any]) -> list[Any]:
  """The distinct labels in order: by number where all are whole numbers, else by name; [] without
  labels.
  """
  distinct = set(labels)
  if distinct <= {None}:
    return []
  if None in distinct:
    raise UserError(
      "data: some documents have a label and others none; give `label` to every source"
    )
  try:
    return sorted(distinct, key=int)
  except ValueError:
    return sorted(distinct, key=str)


def _durable(file: pathlib.Path, raw: bytes) -> None:
  with open(file, "wb") as stream:
    stream.write(raw)
    stream.flush()
    os.fsync(stream.fileno())


def _fsync(folder: pathlib.Path) -> None:
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
