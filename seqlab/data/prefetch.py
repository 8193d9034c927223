"""Batches computed ahead of the step that wants them, on one thread: numpy and the disk release the
GIL.
"""

import queue
import threading
from collections.abc import Callable, Iterator

from seqlab.data.windows import Batch


def prefetch(
  loader: Callable[[int], Batch], start: int = 0, stop: int | None = None, depth: int = 2
) -> "Prefetch":
  """Iterates over (step, batch) from `start`, computed ahead on a thread; close it when done."""
  return Prefetch(loader, start, stop, depth)


class Prefetch:
  """A thread that stays `depth` batches ahead; what it raises is raised again in `next`."""

  def __init__(self, loader: Callable[[int], Batch], start: int, stop: int | None, depth: int):
    self._loader, self._step, self._stop = loader, start, stop
    self._queue: queue.Queue = queue.Queue(maxsize=depth)
    self._closed = threading.Event()
    self._thread = threading.Thread(target=self._work, daemon=True, name="seqlab-prefetch")
    self._thread.start()

  def _work(self) -> None:
    step = self._step
    while not self._closed.is_set() and (self._stop is None or step < self._stop):
      try:
        item = (step, self._loader(step))
      except BaseException as error:
        self._put(error)
        return
      self._put(item)
      step += 1
    self._put(None)

  def _put(self, item: object) -> None:
    while not self._closed.is_set():
      try:
        return self._queue.put(item, timeout=0.1)
      except queue.Full:
        continue

  def __iter__(self) -> Iterator[tuple[int, Batch]]:
    return self

  def __next__(self) -> tuple[int, Batch]:
    if self._closed.is_set():
      raise StopIteration
    item = self._queue.get()
    if item is None or isinstance(item, BaseException):
      self.close()
      raise item if item is not None else StopIteration
    return item

  def close(self) -> None:
    self._closed.set()
    self._thread.join()

  def __enter__(self) -> "Prefetch":
    return self

  def __exit__(self, *exception) -> None:
    self.close()
