"""Local files as sources see them: found by glob, opened through gzip or xz, known by their
content's hash.
"""

import codecs
import contextlib
import csv
import functools
import glob
import gzip
import hashlib
import json
import lzma
import os
import zlib
from collections.abc import Iterator
from typing import IO, Any

from seqlab.errors import UserError, nearest


def find(path: Any, key: str) -> list[tuple[str, str]]:
  """Returns (file, name) of a path, a glob or a tuple of them; names are relative to the common
  folder.
  """
  paths = (path,) if isinstance(path, str) else path
  if not isinstance(paths, tuple | list) or not paths or not all(isinstance(p, str) for p in paths):
    raise UserError(f"{key}: path={path!r} must be a file name, a glob or a tuple of them")
  files: list[str] = []
  for one in paths:
    full = os.path.abspath(os.path.expanduser(one))
    found = [full] if os.path.isfile(full) else sorted(glob.glob(full, recursive=True))
    found = [file for file in found if os.path.isfile(file)]
    if not found:
      folder, base = os.path.split(full)
      there = os.listdir(folder) if os.path.isdir(folder) else []
      hint = nearest(base, there) if there else f" (there is no folder {folder})"
      raise UserError(f"{key}: path={one!r} matches no file{hint}")
    files += found
  for file in files:
    if os.path.getsize(file) == 0:
      raise UserError(f"{key}: {file} is empty; a file with text is wanted")
  folder = os.path.dirname(files[0]) if len(files) == 1 else os.path.commonpath(files)
  return [(file, os.path.relpath(file, folder)) for file in files]


@contextlib.contextmanager
def opened(file: str, encoding: str, key: str) -> Iterator[IO[str]]:
  """Opens text as it is on disk (line ends kept, a byte order mark dropped), through gzip or xz by
  suffix.

  Raises:
    UserError: the file cannot be read, is damaged, or is not text of this encoding.
  """
  opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(os.path.splitext(file)[1], open)
  try:
    codecs.lookup(encoding)
  except (LookupError, TypeError):
    raise UserError(f"{key}: encoding={encoding!r} is none that Python knows") from None
  actual = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
  try:
    with opener(file, "rt", encoding=actual, newline="") as stream:
      yield stream
  except UnicodeDecodeError as error:
    raise UserError(
      f"{key}: {file} is not {encoding} text ({error.reason}); give its encoding, "
      "such as encoding='latin-1', to text() or csv()"
    ) from None
  except (EOFError, OSError, lzma.LZMAError, zlib.error, csv.Error) as error:
    raise UserError(f"{key}: {file} cannot be read: {error}") from None


def identify(value: Any) -> str:
  """The sha256 of a value written as JSON: the identity of everything that is not file content."""
  return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_of(file: str) -> str:
  """The sha256 of a file's bytes; read once per process and state of the file."""
  stat = os.stat(file)
  return _sha256(file, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _sha256(file: str, size: int, changed: int) -> str:
  with open(file, "rb") as stream:
    return hashlib.file_digest(stream, "sha256").hexdigest()
