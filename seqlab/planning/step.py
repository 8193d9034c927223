"""What one training step takes of each device."""

import dataclasses

from seqlab.planning.counts import Collective


@dataclasses.dataclass(frozen=True)
class Step:
  """state, batch, temporary: bytes of memory. products: FLOPs that it computes; model_products: its
  share of those that the model has, three forward passes. traffic: bytes to and from its memory.
  unknown: loops that are counted once, as nothing says how often they run.
  """

  state: int
  batch: int
  temporary: int
  products: int
  model_products: float
  traffic: int
  collectives: list[Collective]
  unknown: int

  @property
  def memory(self) -> int:
    return self.state + self.batch + self.temporary
