"""What a config file says is to be tried: `get_sweep()` beside `get_config()`.

    def get_sweep(sweep):
      return sweep.product(sweep.over("lr", (1e-3, 3e-3)), sweep.over("seed", range(3)))

It returns or yields dicts of overrides, {key: value}. Where it takes an argument, it is handed the
helpers here. `get_architectures()` returns such dicts by name, for `seqlab compare`.
"""

import inspect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqlab import config as configs
from seqlab.errors import UserError

Changes = dict[str, Any]
# Keys that a comparison decides, the same for all or each by its own tuning.
TAKEN = ("seed", "seeds", "lr", "lrs", "model.parameters", "steps", "batch", "length")
COMMON = ("data.", "objective", "evaluate.", "checkpoint.")  # beginnings of such keys


class Sweep:
  """Helpers to write sweeps with; each gives a list of {key: value}."""

  @staticmethod
  def over(key: str, values: Iterable[Any]) -> list[Changes]:
    """One key, at each of some values; numpy's numbers become Python's."""
    return [{key: getattr(value, "item", lambda value=value: value)()} for value in values]

  @staticmethod
  def product(*sweeps: Sequence[Changes]) -> list[Changes]:
    """Each of one with each of the others, the last going round first."""
    return [_joined(each) for each in itertools.product(*sweeps)]

  @staticmethod
  def zip(*sweeps: Sequence[Changes]) -> list[Changes]:
    """The first of each together, then the second of each.

    Raises:
      ValueError: they are not of one length.
    """
    return [_joined(each) for each in zip(*sweeps, strict=True)]

  @staticmethod
  def chain(*sweeps: Sequence[Changes]) -> list[Changes]:
    """One after another."""
    return [dict(changes) for sweep in sweeps for changes in sweep]


def _joined(parts: Iterable[Changes]) -> Changes:
  made: Changes = {}
  for part in parts:
    if twice := made.keys() & part.keys():
      raise ValueError(f"{', '.join(sorted(twice))} is changed twice")
    made |= part
  return made


def declared(file: str) -> list[Changes]:
  """What the sweep of a config file changes, trial by trial; `file` may end in :ARGUMENT, which is
  `get_config`'s.

  Raises:
    UserError: there is no such file, it has no sweep, that fails, or gives anything but dicts.
  """
  found = list(given(file, "get_sweep", '[{"lr": 0.001}, {"lr": 0.003}]', Sweep()))
  for changes in found:
    if not isinstance(changes, Mapping):
      raise UserError(
        f"--config={file}: get_sweep() gives {changes!r}; dicts of overrides are wanted"
      )
  if not found:
    raise UserError(f"--config={file}: get_sweep() gives nothing to try")
  return [dict(changes) for changes in found]


def architectures(file: str) -> dict[str, Changes]:
  """The architectures that a config file compares, by name: what each changes of its config. The
  first is that whose costs the others are brought to.

  Raises:
    UserError: no `get_architectures()`, one that fails, or gives anything but two dicts or more.
  """
  said = given(file, "get_architectures", '{"lstm": {"model.mixer": "lstm()"}, …}', Sweep())
  if not isinstance(said, Mapping) or not all(isinstance(one, Mapping) for one in said.values()):
    raise UserError(
      f"--config={file}: get_architectures() gives {said!r}; a dict of dicts is wanted, what each "
      f"architecture changes by its name"
    )
  if len(said) < 2:
    raise UserError(f"--config={file}: get_architectures() gives {len(said)}; two are compared")
  for name, changes in said.items():
    if taken := [key for key in changes if key in TAKEN or key.startswith(COMMON)]:
      raise UserError(
        f"--config={file}: get_architectures() changes {', '.join(sorted(taken))} of {name!r}, "
        f"which the comparison decides itself"
      )
  return {str(name): dict(changes) for name, changes in said.items()}


def has(file: str, name: str) -> bool:
  """Whether a config file has a function of this name.

  Raises:
    UserError: there is no such file, or it fails.
  """
  return hasattr(configs.run_file(file), name)


def given(file: str, name: str, example: str, helpers: Any) -> Any:
  """What a function of a config file returns; it is handed the helpers where it asks for them.

  Raises:
    UserError: there is no such file, it has no such function, or that fails.
  """
  module = configs.run_file(file)
  if not hasattr(module, name):
    raise UserError(f"--config={file}: the file has no {name}(); it returns, say, {example}")
  with configs.failing(f"--config={file}: {name}()"):
    give = getattr(module, name)
    given = give(helpers) if inspect.signature(give).parameters else give()
    return list(given) if inspect.isgenerator(given) else given
