"""Labels that are more than the name of a class: several names in one, or a number. A store holds
labels by name; here is how an objective's names are read.
"""

from collections.abc import Sequence

import numpy as np

from seqlab.errors import UserError


def parts(name: str, separator: str) -> tuple[str, ...]:
  """The names that stand in one label, none where it is empty."""
  return tuple(part.strip() for part in name.split(separator) if part.strip())


def classes_of(names: Sequence[str], separator: str) -> list[str]:
  """All names that stand in labels, in order."""
  return sorted({part for name in names for part in parts(name, separator)})


def class_sets(names: Sequence[str], separator: str, classes: Sequence[str]) -> np.ndarray:
  """float32 [N, C]: 1 where class c stands in label n.

  Raises:
    UserError: a label names what is no class.
  """
  target_NC = np.zeros((len(names), len(classes)), np.float32)
  for n, name in enumerate(names):
    for part in parts(name, separator):
      if part not in classes:
        raise UserError(
          f"config.objective=multi_label_classification(): unknown label {part!r}; the classes are "
          f"{', '.join(classes)}"
        )
      target_NC[n, classes.index(part)] = 1
  return target_NC


def number(name: str) -> float:
  """A label as a finite number.

  Raises:
    UserError: it is none.
  """
  try:
    value = float(name)
  except ValueError:
    value = np.nan
  if not np.isfinite(value):
    raise UserError(f"config.objective=regression(): the label {name!r} is no number")
  return value
