"""Examples that are arrays of numbers: images, points of a plane. They are held in memory, and
nothing is stored for them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Arrays:
  """`splits[split]` holds arrays of one length by the names they have in a batch: `image_BYXD` and
  `x_BTD` uint8 or float32, `x_BD` float32, `label_B` int32, the place of its name in `labels`,
  `target_B` float32, a number that is to be told, `weight_BT` float32, 1 at places that are.
  """

  splits: Mapping[str, Mapping[str, np.ndarray]]
  labels: list[str]
  fingerprint: str
  description: str

  @property
  def shapes(self) -> dict[str, tuple[int, ...]]:
    """Of one example, name by name."""
    return {name: x.shape[1:] for name, x in self.splits["train"].items()}

  def size(self, split: str) -> dict[str, int]:
    return {"examples": len(next(iter(self.splits[split].values())))}

  def parts(
    self, split: str, rows: str, *, length: int, seed: int, train: bool
  ) -> tuple[list["ArrayRows"], tuple[float, ...]]:
    return [ArrayRows(self.splits[split])], (1.0,)

  def about(self) -> dict[str, Any]:
    return {
      self.description: dict(
        sha256=self.fingerprint,
        shapes={name: list(shape) for name, shape in self.shapes.items()},
        **{split: self.size(split) for split in self.splits},
      )
    }

  def __str__(self) -> str:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in self.shapes.items())
    return f"{self.size('train')['examples']:,} examples of {shapes}"


class ArrayRows:
  """Row i is example i; bytes of an image become float32 from 0 to 1."""

  def __init__(self, arrays: Mapping[str, np.ndarray]):
    self._arrays = arrays
    self.count = self.evaluation_count = len(next(iter(arrays.values())))

  def train(self, index_B: np.ndarray, epoch: int) -> Batch:
    return self.evaluate(index_B)

  def evaluate(self, index_B: np.ndarray) -> Batch:
    """Examples `index_B`; an index beyond the last one is a row of weight 0."""
    real_B = index_B < self.count
    batch = {name: _numbers(x[np.where(real_B, index_B, 0)]) for name, x in self._arrays.items()}
    return batch | {"weight_B": real_B.astype(np.float32)}


def _numbers(x: np.ndarray) -> np.ndarray:
  return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x
