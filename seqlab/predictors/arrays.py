"""The reader of images and points."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import jax
import numpy as np

from seqlab import axes, build
from seqlab.data.arrays import ArrayRows, Arrays
from seqlab.errors import UserError
from seqlab.evaluate import rows_on
from seqlab.predictors.base import Line
from seqlab.trained import Trained, other_data, own_data

_ROWS = 256


@dataclasses.dataclass(frozen=True)
class Place:
  """An example by its place in its set."""

  index: int
  label: str | None


class Examples:
  """Examples that are arrays, called by their index."""

  noun: ClassVar[str] = "examples"

  def __init__(self, run: Trained):
    self.run = run

  def given(self, texts: Sequence[str], sources: Sequence[str]) -> list[Place]:
    flag, one = ("--text", texts[0]) if texts else ("--source", sources[0])
    source = self.run.config.data.source
    raise UserError(f"{flag}={one!r}: the run was trained on {source}; give --data=SOURCE")

  def chosen(self, split: str, data: str) -> list[Place]:
    of = other_data(self.run, data, labelled=False) if data else own_data(self.run, split)
    assert isinstance(of, Arrays)
    columns = of.splits["train" if data else split]
    self._rows = ArrayRows(columns)
    names: list[str | None] = [None] * self._rows.count
    if "label_B" in columns:
      names = [of.labels[i] for i in columns["label_B"].tolist()]
    elif "target_B" in columns:
      names = [str(target) for target in columns["target_B"].tolist()]
    return [Place(index, name) for index, name in enumerate(names)]

  def read(self, place: Place) -> Place:
    return place

  def id(self, place: Place) -> str:
    return f"example {place.index}"

  def asked(self, place: Place) -> Line:
    return dict(index=place.index)

  def label(self, place: Place) -> str | None:
    return place.label

  def outputs(self, predict: Callable, places: Sequence[Place]) -> Iterator[tuple[int, np.ndarray]]:
    mesh, call = self.run.mesh, jax.jit(predict)
    rows = rows_on(mesh, min(_ROWS, len(places)))
    index = np.array([place.index for place in places])
    # an index beyond the last example is a row that fills up the batch
    index = np.append(index, np.full(-len(index) % rows, self._rows.count))
    with axes.use_mesh(mesh, build.table(self.run.config)):
      for start in range(0, len(index), rows):
        batch = self._rows.evaluate(index[start : start + rows])
        output = jax.device_get(call(self.run.params, axes.put_batch(batch, mesh)))
        yield from enumerate(output[: len(places) - start], start)
