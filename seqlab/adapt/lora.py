"""Low-rank adapters (LoRA, arXiv:2106.09685, section 4.1): a matrix W stays as it was trained, and
A and B are learned beside it; the network is given W + (alpha / rank) A B.

No network knows of adapters. A name says which axes of a leaf a product sums over, hence which leaf
is a matrix [in, out], stacked over layers or not: `layers_L/…/out_HKD` gets `layers_L/…/out_a_HKR`
and `layers_L/…/out_b_RD`, which names shard, decay and select as they do every other.
"""

import dataclasses
import math
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.leaves import by_path, nest
from seqlab.objectives.base import Batch, Metrics, Objective, Pictures

BASE = "base"  # beside the players of a state's parameters: what nobody's gradient reaches
Shapes = Mapping[str, tuple[int, ...]]


class Factors(NamedTuple):
  """The paths of A and B, and the axes of W, from `first` up to `last`, that a product sums."""

  a: str
  b: str
  first: int
  last: int


def factors(path: str) -> Factors | None:
  """The factors that belong to a leaf; None where it is no matrix."""
  summed, letters = axes.fan_in_axes(path), axes.letters(path)
  if not summed:
    return None
  first, last = summed[0], summed[-1] + 1
  stem, _, own = path.rpartition("_")
  stacked = own[: len(own) - (len(letters) - first)]  # of its own name; folders keep theirs
  a, b = f"{stacked}{letters[first:last]}R", f"{stacked}R{letters[last:]}"
  return Factors(f"{stem}_a_{a}", f"{stem}_b_{b}", first, last)


@dataclasses.dataclass(frozen=True)
class Lora:
  """rank: of A B. alpha: A B is scaled by alpha / rank, so that the rank can change and the
    learning rate stay.
  of: selector of the matrices adapted; "" for all that are inside the network, which leaves out
    embeddings, tables of positions and heads (V, C and S).

  A matrix that is no wider than the rank on either side gets none: the factors would be no smaller.
  """

  rank: int = 8
  alpha: float = 16.0
  of: str = ""

  def adapted(self, base: Shapes) -> dict[str, Factors]:
    """The matrices among the leaves of a base that get factors.

    Raises:
      UserError: there are none.
    """
    found = {}
    for path, shape in base.items():
      one, letters = factors(path), axes.letters(path)
      if one is None or len(letters) != len(shape) or not self._picks(path):
        continue
      sides = math.prod(shape[one.first : one.last]), math.prod(shape[one.last :])
      if min(sides) > self.rank:
        found[path] = one
    if not found:
      raise UserError(
        f"config.init.adapt: rank={self.rank}, of={self.of!r} of lora() adapts nothing: no matrix "
        f"that init.path gives is so called and wider than its rank; there is {next(iter(base))}"
      )
    return found

  def _picks(self, path: str) -> bool:
    if self.of:
      return axes.selects(self.of, path, "config.init.adapt: of")
    return not set(axes.letters(path)) & set("VCS")

  def init(self, key: jax.Array, base: Shapes) -> dict[str, jax.Array]:
    """Fresh factors by path, float32: A normal with variance 1 / fan-in, B zero, so that training
    begins at W. A's numbers depend on the key and its path alone.
    """
    made = {}
    for path, (a, b, first, last) in self.adapted(base).items():
      shape = base[path]
      own = jax.random.fold_in(key, zlib.crc32(path.encode()))
      scale = math.prod(shape[first:last]) ** -0.5
      made[a] = scale * jax.random.normal(own, (*shape[:last], self.rank))
      made[b] = jnp.zeros((*shape[:first], self.rank, *shape[last:]))
    return made

  def merge(self, base: Any, own: Any) -> dict[str, Any]:
    """The parameters of the network: the base with its factors multiplied out and added, and the
    leaves of `own` that are no factors.
    """
    left, merged = by_path(own), {}
    for path, w in by_path(base).items():
      one = factors(path)
      if one is not None and one.a in left:
        a, b = left.pop(one.a), left.pop(one.b)
        stacked, rank = tuple(range(one.first)), ((a.ndim - 1,), (one.first,))
        # in full float32 on every device: it is little work, and W is a master copy
        ab = jax.lax.dot_general(a, b, (rank, (stacked, stacked)), precision="highest")
        w = w + self.alpha / self.rank * ab
      merged[path] = w
    return nest({**merged, **left})


class Adapted:
  """An objective whose player "model" learns factors beside `params["base"]`, and whatever leaves
  the base lacks (a fresh head); in all else the objective that it was.

  The base is an argument of the loss and no constant of its program, so it is sharded as every
  parameter is and lies once in memory.
  """

  def __init__(self, objective: Objective, lora: Lora, base: Shapes):
    self._objective, self._lora, self._base = objective, lora, base

  def __getattr__(self, name: str) -> Any:
    return getattr(self._objective, name)

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    """What is learned, {"model": tree}; under jit the base is not made."""
    fresh = by_path(self._objective.init(key, batch)["model"])
    own = {path: leaf for path, leaf in fresh.items() if path not in self._base}
    return {"model": nest({**own, **self._lora.init(key, self._base)})}

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    return self._objective.loss(player, self._merged(params), batch, key, extra)

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    return self._objective.pictures(self._merged(params), batch, key)

  def _merged(self, params: dict) -> dict:
    return {"model": self._lora.merge(params[BASE], params["model"])}


def adapted(objective: Objective, lora: Lora, base: Shapes) -> Objective:
  """The objective with adapters beside the leaves of a base."""
  return cast(Objective, Adapted(objective, lora, base))
