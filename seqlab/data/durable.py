"""Folders that are whole or absent: one writer at a time, bytes on the disk before names, clear
errors.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlab.errors import UserError


@contextlib.contextmanager
def one_writer(root: pathlib.Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
  """Holds the lock `root/name.lock`; calls `waiting` once if another process has it."""
  with mending(root):
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
  try:
    try:
      try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
      pass  # this file system has no locks: see the module's docstring
    else:
      for left in root.glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)  # of a writer that was killed
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
      reason = "the disk is full; free some space or point config.data.store to another disk"
    elif isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
      reason = "cannot be written; set config.data.store or SEQLAB_DATA to a folder that can"
    elif error.errno == errno.EROFS:
      reason = "a read-only file system; set config.data.store or SEQLAB_DATA to another"
    else:
      raise
    raise UserError(f"config.data.store={str(root)!r}: {reason}") from None


class HashingFile:
  """A file that knows its size and sha256 when it is closed."""

  def __init__(self, folder: pathlib.Path, name: str):
    self._name, self._digest = name, hashlib.sha256()
    self._stream = open(folder / name, "wb")  # noqa: SIM115  (closed by close)
    self.size = 0

  def write(self, data: np.ndarray | bytes) -> None:
    raw = bytes(data)
    self._stream.write(raw)
    self._digest.update(raw)
    self.size += len(raw)

  def close(self) -> dict[str, Any]:
    self._stream.close()
    return {"name": self._name, "bytes": self.size, "sha256": self._digest.hexdigest()}


def fsync(path: pathlib.Path) -> None:
  """Waits until a file or a folder is on the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
