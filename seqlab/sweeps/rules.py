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
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from seqlab import build
from seqlab.errors import UserError, nearest
from seqlab.objectives import OBJECTIVES
from seqlab.sweeps.declared import Changes, given
from seqlab.sweeps.trials import HOW

SAMPLERS = ("tpe", "random")
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

  def ends(self) -> Iterator[Changes]:
    """The config as it is but for one key, at each choice and at both ends of each range."""
    for key, axis in self.space.items():
      for value in axis["values"] if axis["kind"] == "choice" else (axis["low"], axis["high"]):
        yield {key: value}


def rules(file: str, config: ConfigDict) -> Rules:
  """The search of a config file; `config` is what its trials change.

  Raises:
    UserError: no `get_search()`, one that fails, or what it returns cannot be searched so.
  """
  example = 'dict(space={"lr": space.log_uniform(1e-4, 0.1)}, trials=20)'
  said = given(file, "get_search", example, Space())

  def wrong(what: str) -> UserError:
    return UserError(f"--config={file}: get_search(): {what}")

  known = [field.name for field in dataclasses.fields(Rules)]
  if not isinstance(said, Mapping) or not isinstance(said.get("space"), Mapping):
    raise wrong(f"{said!r} is no search; a dict with space, a dict, and trials is wanted")
  for key in said:
    if key not in known:
      raise wrong(f"unknown {key!r}{nearest(str(key), known)}; known are {', '.join(known)}")
  found = Rules(**{"trials": 0, **said})
  for name, low in (("trials", 1), ("factor", 2), ("seed", 0)):
    value = getattr(found, name)
    if type(value) is not int or value < low:
      raise wrong(f"{name}={value!r}: a whole number of {low} or more is wanted")
  if found.sampler not in SAMPLERS:
    raise wrong(f"sampler={found.sampler!r}: {' or '.join(SAMPLERS)} is wanted")
  if not found.space:
    raise wrong("space={}: there is nothing to choose")
  for key, axis in found.space.items():
    if not isinstance(axis, Mapping) or not _sound(axis):
      raise wrong(
        f"space[{key!r}]={axis!r}: space.uniform(low, high), log_uniform, integer or "
        f"choice(value, …) is wanted, low below high"
      )
    if key == "steps" or key.startswith((*HOW, "lrs", "seeds", "evaluate.")):
      raise wrong(f"space[{key!r}]: it is the same for all trials")
  ranked = ("loss", *OBJECTIVES[build.called(config, "objective").name].ranked)
  if found.metric not in ranked:
    raise wrong(f"metric={found.metric!r}: trials are ranked by {' or '.join(ranked)}")
  if config.lrs:
    raise wrong(f"config.lrs={config.lrs}: a search tries one rate at a time; leave it out")
  every, before = config.evaluate.every, 0
  for rung in found.rungs:
    if type(rung) is not int or not before < rung < config.steps or every < 1 or rung % every:
      raise wrong(
        f"rungs={tuple(found.rungs)}: growing multiples of config.evaluate.every={every} below "
        f"config.steps={config.steps} are wanted, as trials are ranked where they are evaluated"
      )
    before = rung
  return found


def _sound(axis: Axis) -> bool:
  if axis.get("kind") == "choice":
    return bool(axis["values"])
  low, high = axis.get("low", math.nan), axis.get("high", math.nan)
  number = int if axis.get("kind") == "integer" else float
  if type(low) is not number or type(high) is not number or not math.isfinite(low + high):
    return False
  return low < high and (axis["kind"] != "log_uniform" or low > 0)
