"""Reads and checks the search of a config file: `space` says what one is."""

import dataclasses
import math
from collections.abc import Mapping

from ml_collections import ConfigDict

from seqlab import build
from seqlab.errors import UserError, nearest
from seqlab.objectives import OBJECTIVES
from seqlab.sweeps.declared import given
from seqlab.sweeps.space import KINDS, SAMPLERS, Axis, Rules, Space
from seqlab.sweeps.trials import HOW


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
    if not isinstance(key, str) or not isinstance(axis, Mapping) or not _sound(axis):
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
  if not isinstance(found.rungs, tuple | list):
    raise wrong(f"rungs={found.rungs!r}: a tuple of steps is wanted, (100, 300)")
  for rung in found.rungs:
    if type(rung) is not int or not before < rung < config.steps or every < 1 or rung % every:
      raise wrong(
        f"rungs={tuple(found.rungs)}: growing multiples of config.evaluate.every={every} below "
        f"config.steps={config.steps} are wanted, as trials are ranked where they are evaluated"
      )
    before = rung
  return found


def _sound(axis: Axis) -> bool:
  kind = axis.get("kind")
  if kind == "choice":
    return bool(axis.get("values"))
  low, high = axis.get("low", math.nan), axis.get("high", math.nan)
  number = int if kind == "integer" else float
  if kind not in KINDS or type(low) is not number or type(high) is not number:
    return False
  if kind == "integer" and (type(axis.get("step")) is not int or axis["step"] < 1):
    return False
  return math.isfinite(low + high) and low < high and (kind != "log_uniform" or low > 0)
