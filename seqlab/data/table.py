"""What a source of arrays gives."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Table:
  """Arrays of one length by name, and the names of the classes that `label_B` counts."""

  columns: dict[str, np.ndarray]
  labels: tuple[str, ...] = ()
