"""Width transfer: maximal update parametrisation (muP), by the letters of each leaf.

Learning rates that are best at the width `base` stay best at any other (arXiv:2203.03466, table 8,
for Adam). What the paper sorts into input, hidden and output weights follows here from two shapes
of a leaf, the network's and the one that it has at the base: an axis that differs is "infinite".
At the base itself nothing changes.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import jax

from seqlab import axes
from seqlab.errors import UserError
from seqlab.leaves import by_path, path_of
from seqlab.objectives.base import Batch, Objective

OPTIMIZERS = ("adamw", "lion")  # whose updates do not depend on the size of gradients


@dataclasses.dataclass(frozen=True)
class Mup:
  """base: the width at which the learning rate was found."""

  base: int


class Scale(NamedTuple):
  """What a leaf's first values and its learning rate are multiplied by."""

  init: float
  rate: float


def scales(shapes: Any, base: Any) -> dict[str, Scale]:
  """The scale of each leaf of a network from the leaves' shapes and those at the base width.

  A weight's rate goes with 1 / fan-in, as it grows. Its first values go with 1 / sqrt(fan-in)
  already, where their letters say so; where its outputs do not grow (a head), they go with another
  such factor. Two kinds of leaves stand for multipliers of what they make, which under these
  optimizers is the same: queries, for scores of 1 / K in place of 1 / sqrt(K), and the last norm
  before a head that is the embedding, for scores of 1 / D.

  Raises:
    UserError: a head is the embedding and no norm stands before it.
  """
  wide, narrow = by_path(shapes), by_path(base)
  found = {}
  for path, leaf in wide.items():
    letters = axes.letters(path)
    grown = [n / m for n, m in zip(leaf.shape, narrow[path].shape, strict=True)]
    summed = axes.fan_in_axes(path)
    over = math.prod(grown[i] for i in summed)
    free = math.prod(grown[i] for i in range(leaf.ndim) if i not in summed)
    found[path] = Scale(over**-0.5 if free == 1 else 1.0, 1 / over)
    if _queries(path, wide):
      factor = grown[letters.index("D" if path.endswith("q_norm/scale_D") else "K")] ** -0.5
      found[path] = Scale(found[path].init * factor, found[path].rate * factor)
  if any(path.startswith("embed_") for path in wide) and not _heads(wide):
    last = "final_norm/scale_D"
    if last not in wide:
      raise UserError(
        "config.init.adapt: mup() of a head that is the embedding wants a norm before it; set "
        "config.model.tied=False, or config.model.norm"
      )
    factor = narrow[last].shape[0] / wide[last].shape[0]
    found[last] = Scale(factor, factor)
  return found


def _queries(path: str, names: Mapping[str, Any]) -> bool:
  """Whether a leaf is the last to scale the queries of attention: their norm, if they have one."""
  folder, _, name = path.rpartition("/")
  made = name in ("q_DHK", "q1_DHK", "q2_DHK", "turned_DHK", "q_bias_HK")
  normed = f"{folder}/q_norm/scale_D" in names
  return (made and not normed) or path.endswith("q_norm/scale_D")


def _heads(names: Mapping[str, Any]) -> bool:
  return any(path.startswith(("head_", "classes_", "tags_")) for path in names)


class _Scaled:
  """An objective whose parameters begin at other sizes; in all else the objective that it was."""

  def __init__(self, objective: Objective, scales: Mapping[str, Scale]):
    self._objective, self._scales = objective, scales

  def __getattr__(self, name: str) -> Any:
    return getattr(self._objective, name)

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    def scaled(path: tuple, leaf: jax.Array) -> jax.Array:
      return leaf * self._scales[path_of(path)].init

    params = self._objective.init(key, batch)
    return {name: jax.tree_util.tree_map_with_path(scaled, tree) for name, tree in params.items()}


def begun(objective: Objective, scales: Mapping[str, Scale]) -> Objective:
  """The objective with what its parameters begin at scaled, where there are scales."""
  return cast(Objective, _Scaled(objective, scales)) if scales else objective
