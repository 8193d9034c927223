"""Files that several processes on several machines may write: each appears whole, and once."""

import json
import os
import pathlib
import socket
from typing import Any


def write_once(path: pathlib.Path, content: Any) -> bool:
  """Writes JSON, unless the file is there already. Returns whether it was written: of several that
  try, one gets True.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  own = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}")
  with open(own, "w") as file:
    file.write(json.dumps(content, indent=1) + "\n")
    file.flush()
    os.fsync(file.fileno())
  try:
    os.link(own, path)
    return True
  except FileExistsError:
    return False
  finally:
    own.unlink()


def read(path: pathlib.Path) -> Any:
  """What `write_once` wrote; None where there is nothing."""
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    return None
