"""What a config file says is to be tried: `get_sweep()` beside `get_config()`.

    def get_sweep(sweep):
      return sweep.product(sweep.over("lr", (1e-3, 3e-3)), sweep.over("seed", range(3)))

It returns or yields dicts of overrides, {key: value}. Where it takes an argument, it is handed the
helpers here.
"""

import inspect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqlab import config as configs
from seqlab.errors import UserError

Changes = dict[str, Any]


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
  module = configs.run_file(file)
  if not hasattr(module, "get_sweep"):
    raise UserError(
      f"--config={file}: the file has no get_sweep(); it returns what is to be tried, such as "
      f'[{{"lr": 0.001}}, {{"lr": 0.003}}]'
    )
  with configs.failing(f"--config={file}: get_sweep()"):
    asked = inspect.signature(module.get_sweep).parameters
    found = list(module.get_sweep(Sweep()) if asked else module.get_sweep())
  for changes in found:
    if not isinstance(changes, Mapping):
      raise UserError(
        f"--config={file}: get_sweep() gives {changes!r}; dicts of overrides are wanted"
      )
  if not found:
    raise UserError(f"--config={file}: get_sweep() gives nothing to try")
  return [dict(changes) for changes in found]
