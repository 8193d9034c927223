"""What an adaptive search is to do: `get_search()` of a config file.

    def get_search(space):
      return dict(
        space={"lr": space.log_uniform(1e-4, 1e-1), "model.mixer": space.choice("lstm()", "gru()")},
        trials=30,
        rungs=(500, 1500),
      )

Each of `trials` is a point of the space, chosen by what the others came to. All train to the first
rung; one in `factor` of those that got there goes on to the next, and so on to the config's steps.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab.sweeps.declared import Changes

SAMPLERS = ("tpe", "random")
KINDS = ("uniform", "log_uniform", "integer", "choice")
Axis = Mapping[str, Any]  # of one key: the kind of its values and their ends, as JSON has them


class Space:
  """Helpers to write spaces with; each gives the values that one key may have."""

  @staticmethod
  def uniform(low: float, high: float) -> Axis:
    """Numbers between two."""
    return dict(kind="uniform", low=float(low), high=float(high))

  @staticmethod
  def log_uniform(low: float, high: float) -> Axis:
    """Positive numbers between two, all orders of magnitude alike."""
    return dict(kind="log_uniform", low=float(low), high=float(high))

  @staticmethod
  def integer(low: int, high: int, step: int = 1) -> Axis:
    """Whole numbers from one up to another, by steps."""
    return dict(kind="integer", low=low, high=high - (high - low) % step, step=step)

  @staticmethod
  def choice(*values: Any) -> Axis:
    """One of some values."""
    return dict(kind="choice", values=list(values))


@dataclasses.dataclass(frozen=True)
class Rules:
  """space: the values of each key. trials: how many points are tried. rungs: steps after which a
  trial waits to be let go on; () for none. factor: of how many at a rung one goes on. sampler: how
  points are chosen, by the tree-structured Parzen estimator (Bergstra et al. 2011) or at random.
  metric: of the validation set, by which they are ranked: the lowest loss, the highest of others.
  seed: of the sampler.
  """

  space: Mapping[str, Axis]
  trials: int
  rungs: Sequence[int] = ()
  factor: int = 3
  sampler: str = "tpe"
  metric: str = "loss"
  seed: int = 0

  def cost(self, value: float) -> float:
    """The metric as something of which less is better."""
    return value if self.metric == "loss" else -value

  def points(self) -> Iterator[Changes]:
    """All points of a space that has no ranges of numbers, none of another."""
    values = []
    for axis in self.space.values():
      if axis["kind"] == "choice":
        values.append(axis["values"])
      elif axis["kind"] == "integer":
        values.append(range(axis["low"], axis["high"] + 1, axis["step"]))
      else:
        return
    for point in itertools.product(*values):
      yield dict(zip(self.space, point, strict=True))

  def ends(self) -> Iterator[Changes]:
    """The config as it is but for one key, at each choice and at both ends of each range."""
    for key, axis in self.space.items():
      for value in axis["values"] if axis["kind"] == "choice" else (axis["low"], axis["high"]):
        yield {key: value}
