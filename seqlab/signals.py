"""SIGTERM and SIGINT as a question asked between steps, so that a run saves before it ends."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def signals() -> Iterator[Callable[[], bool]]:
  """Yields a function that says whether SIGTERM or SIGINT has come; a second SIGINT ends at
  once.
  """
  caught: list[int] = []

  def note(number: int, frame: Any) -> None:
    caught.append(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)

  before = {n: signal.signal(n, note) for n in (signal.SIGTERM, signal.SIGINT)}
  try:
    yield lambda: bool(caught)
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
