"""Python files of the user's that register parts of their own: `MIXERS["mine"] = Mine`, and so on
with networks, tasks, sources or optimizers. A command runs them before it reads anything else.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable

from seqlab.errors import UserError

_loaded: set[tuple[str, int]] = set()  # the file and when it was changed


def load(files: Iterable[str]) -> None:
  """Runs the files, each once in a process.

  Raises:
    UserError: a name is none, a file is missing or fails.
  """
  for file in files:
    if not isinstance(file, str):
      raise UserError(
        f"config.plugins={tuple(files)}: names of Python files are wanted, such as ('mine.py',)"
      )
    path = os.path.abspath(file)
    name = f"seqlab_plugin_{len(_loaded)}"
    try:
      if not os.path.isfile(file):
        raise FileNotFoundError("no such Python file")
      version = path, os.stat(path).st_mtime_ns
      if version in _loaded:
        continue
      found = importlib.util.spec_from_file_location(name, file)
      if found is None or found.loader is None:
        raise FileNotFoundError("no such Python file")
      # dataclasses look a module up here when its annotations are text
      sys.modules[name] = importlib.util.module_from_spec(found)
      found.loader.exec_module(sys.modules[name])
      _loaded.add(version)
    except (Exception, SystemExit) as error:
      raise UserError(
        f"config.plugins: {file} fails with {type(error).__name__}: {error}"
      ) from None
