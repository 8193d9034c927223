"""A step of cleaning: the contract of every member of `CLEANERS`."""

import dataclasses
import importlib
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from seqlab.data.documents import Document
from seqlab.errors import UserError

Turn = Callable[[Document], Iterable[Document]]


@dataclasses.dataclass(frozen=True)
class Step:
  """One of two kinds. `text` turns a text into a text and is applied to both sides of a pair, and
  to what a trained run is given later. `begin` starts a reading of a source and returns what turns
  one document into those that take its place: none, itself, or several; what it remembers lasts
  for that reading. `remembers` says that a document's fate hangs on those before it.
  version: to be raised where what the step makes changes, so that stores are prepared anew.
  """

  text: Callable[[str], str] | None = None
  begin: Callable[[], Turn] | None = None
  remembers: bool = False
  version: int = 1


def package(name: str, step: str, config_key: str) -> Any:
  """A package of the extra `text`.

  Raises:
    UserError: it is not installed.
  """
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # of sources older than this Python
      return importlib.import_module(name)
  except ImportError:
    raise UserError(
      f"{config_key}: {step} needs the package {name}; `pip install {name}`, or all that cleaning "
      f"needs with seqlab's extra `text`"
    ) from None
