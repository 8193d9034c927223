"""`batch = loader(step)`: a pure function of (seed, step, config), so a checkpoint needs no
iterator.

Row r of step s is row `s * batch + r` of the run, whatever the number of processes; a process
computes its own rows and nothing else. Resuming is calling with another step; re-sharding is other
arguments.
"""

import numpy as np

from seqlab.data.files import identify
from seqlab.data.mixture import Mixture, divide
from seqlab.data.permutation import permute
from seqlab.data.prefetch import prefetch as prefetch
from seqlab.data.rows import Data, Rows, check_choice
from seqlab.data.windows import Batch, Windows
from seqlab.errors import UserError

_BLOCK = 4096  # places of a permutation computed at once: one batch's alone would cost 0.1 ms
ORDERS = ("shuffled", "lanes")


class Loader:
  """Batches of `batch` rows of `length` tokens, of which this process gets `batch / processes`.

  rows: "windows" cuts the stream, "packed" fills rows with whole documents, "prefixes" cuts
    each of these in two, "examples" gives each document a row and its label, "pairs" fills rows
    with whole pairs, "spans" with texts that have holes and what stood there, "tagged" gives each
    document a row and the tags of its words, "whole_words" has the words' beginnings beside other
    rows; or a call of one of them, with arguments.
  order: "shuffled", or "lanes" for state that is carried from step to step: row r of step s + 1
    goes on where row r of step s ended.
  train: False gives every label of the split exactly once in `steps_per_epoch` steps; padding has
    weight 0.

  Raises:
    UserError: the split is empty or shorter than a window, or the batch does not divide.
  """

  def __init__(
    self,
    data: Data,
    split: str = "train",
    *,
    length: int,
    batch: int,
    seed: int = 0,
    rows: str = "windows",
    order: str = "shuffled",
    train: bool = True,
    process: int = 0,
    processes: int = 1,
  ):
    check_choice("order", order, ORDERS)
    if order == "lanes" and rows != "windows":
      raise UserError(
        f"config.data.rows={rows!r}: state is carried between windows; use 'windows', or carry none"
      )
    if batch < 1 or batch % processes:
      raise UserError(
        f"config.batch={batch}: must be a multiple of the number of processes, {processes}"
      )
    if length < 1:
      raise UserError(f"config.length={length}: must be at least 1")
    self._train, self._order, self._seed, self.batch = train, order, seed, batch
    self._mine = np.arange(process * (batch // processes), (process + 1) * (batch // processes))
    parts, weights = data.parts(split, rows, length=length, seed=seed, train=train)
    self._parts: list[Rows] = list(parts)
    self._mixture = Mixture(weights, seed)
    self._lanes = divide(batch, weights)
    self._blocks: dict[int, tuple[tuple[int, int], np.ndarray]] = {}
    if train and order == "lanes" and not self._lanes.all():
      raise UserError(
        f"config.batch={batch}: too few lanes for the weights of {len(parts)} sources"
      )
    self._counts = np.array([part.evaluation_count for part in self._parts])
    epoch_rows = sum(part.count for part in self._parts) if train else int(self._counts.sum())
    self.steps_per_epoch = -(-epoch_rows // batch)
    self.fingerprint = identify([data.fingerprint, split, length, batch, seed, rows, order, train])

  def __call__(self, step: int) -> Batch:
    """The rows of this process of the global batch of `step`."""
    if not self._train:
      return self._evaluation(step)
    if self._order == "lanes":
      return self._lane_batch(step)
    source, rank = self._mixture.place(self._mine + step * self.batch)
    pieces = []
    for number in np.unique(source):
      part = self._parts[number]
      epochs, index = np.divmod(rank, part.count)
      for epoch in np.unique(epochs[source == number]).tolist():
        where = np.flatnonzero((source == number) & (epochs == epoch))
        pieces.append((where, part.train(self._shuffle(int(number), epoch, index[where]), epoch)))
    return _join(pieces, len(self._mine))

  def _lane_batch(self, step: int) -> Batch:
    ends = np.cumsum(self._lanes)
    source = np.searchsorted(ends, self._mine, "right")
    lane = self._mine - (ends - self._lanes)[source]
    pieces = []
    for number in np.unique(source):
      where = np.flatnonzero(source == number)
      part = self._parts[number]
      assert isinstance(part, Windows)
      pieces.append((where, part.lane(lane[where], int(self._lanes[number]), step)))
    return _join(pieces, len(self._mine))

  def _evaluation(self, step: int) -> Batch:
    """Rows in the order of the split; with lanes, row r reads its own contiguous share of them."""
    if not 0 <= step < self.steps_per_epoch:
      raise IndexError(f"step {step} of an evaluation of {self.steps_per_epoch} steps")
    ends = np.cumsum(self._counts)
    if self._order == "lanes":
      row, began = self._mine * self.steps_per_epoch + step, self._mine * self.steps_per_epoch
    else:
      row = began = self._mine + step * self.batch
    source = np.minimum(np.searchsorted(ends, row, "right"), len(ends) - 1)
    index = row - (ends - self._counts)[source]
    pieces = []
    for number in np.unique(source):
      where = np.flatnonzero(source == number)
      part = self._parts[number]
      if self._order == "lanes":
        # A lane that comes into this source from the one before begins anew here.
        first = np.maximum(index - (row - began), 0)
        pieces.append((where, part.evaluate(index[where], first[where])))
      else:
        pieces.append((where, part.evaluate(index[where])))
    return _join(pieces, len(self._mine))

  def _shuffle(self, source: int, epoch: int, index: np.ndarray) -> np.ndarray:
    out = np.empty_like(index)
    block, place = np.divmod(index, _BLOCK)
    for number in np.unique(block).tolist():
      here = block == number
      out[here] = self._shuffled_block(source, epoch, number)[place[here]]
    return out

  def _shuffled_block(self, source: int, epoch: int, block: int) -> np.ndarray:
    """The permutation's places `block * _BLOCK` on; the last block of each source is kept."""
    held, places = self._blocks.get(source, (None, None))
    if held != (epoch, block) or places is None:
      count = self._parts[source].count
      index = np.arange(block * _BLOCK, min((block + 1) * _BLOCK, count))
      places = permute(index, count, self._seed, source, epoch, "rows")
      self._blocks[source] = ((epoch, block), places)
    return places


def _join(pieces: list[tuple[np.ndarray, Batch]], rows: int) -> Batch:
  """Puts the rows of several sources and epochs back in their places."""
  if len(pieces) == 1:
    return pieces[0][1]
  out = {k: np.empty((rows, *v.shape[1:]), v.dtype) for k, v in pieces[0][1].items()}
  for where, batch in pieces:
    for name, values in batch.items():
      out[name][where] = values
  return out
