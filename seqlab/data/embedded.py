"""Text that every Python carries: the library's own code and docstrings, so that a first run
downloads nothing.

Left out are tests, generated tables and parts that distributions strip, so that two installations
differ little; they still differ, therefore the corpus' sha256 is reported with every result and no
loss is fixed.
"""

import hashlib
import os
import pathlib
import sysconfig
from collections.abc import Iterator

_LEFT_OUT = {
  *("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings"),
  *("pydoc_data", "lib2to3", "idlelib", "distutils", "tkinter", "turtledemo", "ensurepip"),
}


def library_files(megabytes: float | None = None) -> Iterator[tuple[str, str]]:
  """Yields (path below the library, text) in the order of the paths' hashes, until `megabytes` are
  reached.

  The order by hash makes any prefix a fair sample of the library and keeps it stable between
  versions.
  """
  root = pathlib.Path(sysconfig.get_paths()["stdlib"])
  names = []
  for folder, inner, files in os.walk(root):
    inner[:] = [name for name in inner if name not in _LEFT_OUT]
    below = pathlib.Path(folder).relative_to(root)
    names += [(below / name).as_posix() for name in files if name.endswith(".py")]
  # Another hash than the split's: else the first files would all be for validation.
  names.sort(key=lambda name: hashlib.sha256(f"order {name}".encode()).digest())
  left = float("inf") if megabytes is None else megabytes * 1e6
  for name in names:
    raw = (root / name).read_bytes()
    if left <= 0:
      return
    try:
      text = raw.decode("utf-8")
    except UnicodeDecodeError:
      continue  # a handful of files declare another encoding
    left -= len(raw)
    yield name, text
