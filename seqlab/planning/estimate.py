"""How long a step takes at least, and what a billion tokens cost, by the roofline: products at the
peak rate, bytes at the full bandwidth of memory and network.
"""

import dataclasses

from seqlab.planning.machines import Machine
from seqlab.planning.step import Step


@dataclasses.dataclass(frozen=True)
class Estimate:
  """What the step of a config comes to on so many devices of a machine; work: tokens (or examples,
  its `unit`) of a step.
  """

  step: Step
  machine: Machine
  devices: int
  work: int
  unit: str

  @property
  def compute(self) -> float:
    """Seconds that a device computes products."""
    return self.step.products / self.machine.peak

  @property
  def memory(self) -> float:
    """Seconds that it reads and writes its memory."""
    return self.step.traffic / self.machine.bandwidth

  @property
  def sent(self) -> int:
    """Bytes that it sends."""
    return sum(one.sent for one in self.step.collectives)

  @property
  def network(self) -> float:
    """Seconds that it sends."""
    return self.sent / self.machine.network

  @property
  def best(self) -> float:
    """All three at the same time."""
    return max(self.compute, self.memory, self.network)

  @property
  def worst(self) -> float:
    """One after another. A real step may be slower still, as no kernel reaches its roof."""
    return self.compute + self.memory + self.network

  @property
  def bound(self) -> str:
    """Which of the three is longest."""
    times = dict(compute=self.compute, memory=self.memory, network=self.network)
    return max(times, key=lambda name: times[name])

  @property
  def mfu(self) -> float:
    """The share of its peak rate that the model's own products take, at best."""
    return self.step.model_products / self.machine.peak / self.best

  def hours(self, seconds: float) -> float:
    """Device-hours of a billion tokens in steps of so many seconds."""
    return 1e9 / self.work * seconds * self.devices / 3600
