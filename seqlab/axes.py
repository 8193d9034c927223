"""The axis alphabet: names spell axes, and axes spell sharding.

A stored array is called `q_DHK`; a folder of the tree may carry letters too, so that
`blocks_L/block0/mixer/q_DHK` has the letters `LDHK`, one per axis. A table sends letters to mesh
axes, and from the letters alone follow the sharding of a leaf, whether it decays, and its fan-in.

    B batch      T time     S memory slots   D width     F hidden     H heads    K head width
    N SSM state  G gate     W window         V vocabulary  C classes  E experts  L stacked layers
    Y, X rows and columns of an image or of a kernel over one   Z latent   R rank of an adapter
    A answers of a row
"""

import contextlib
import logging
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from seqlab.errors import UserError, nearest
from seqlab.leaves import path_of

ALPHABET = "BTSDFHKNGWVCELYXZRA"
ELEMENTWISE = frozenset(["bias", "scale", "skip", "rate", "taps"])
MESH_AXES = ("data", "fsdp", "tensor", "sequence", "expert")

# Where each letter goes. `D` is sharded for storage only: in an activation `B` has spent fsdp
# already.
TABLE: dict[str, str | tuple[str, ...]] = dict(
  B=("data", "fsdp"), T="sequence", D="fsdp", F="tensor", H="tensor", V="tensor", E="expert"
)

_log = logging.getLogger("seqlab")
_table = TABLE
_warned: set[tuple] = set()


def letters(path: str) -> str:
  """The axis letters of a leaf, from its path: `"blocks_L/block0/mixer/q_DHK"` gives `"LDHK"`."""
  found = ""
  for part in path.split("/"):
    suffix = part.rpartition("_")[2]
    if "_" in part and suffix and all(c in ALPHABET for c in suffix):
      found += suffix
  return found


def selects(selector: str, name: str, key: str = "selector") -> bool:
  """Whether a selector picks the leaf of this path: axis letters alone ("V": every leaf with a
  vocabulary axis), or a regular expression that is searched in the path ("layers_L/.*norm"). `key`
  is what errors call it.

  Raises:
    UserError: it is neither.
  """
  if re.fullmatch(f"[{ALPHABET}]+", selector):
    return set(selector) <= set(letters(name))
  try:
    return re.search(selector, name) is not None
  except re.error as error:
    raise UserError(
      f"{key}={selector!r} is neither axis letters nor a regular expression: {error}"
    ) from None


def fan_in_axes(name: str) -> tuple[int, ...]:
  """The axes of a weight that a product sums over.

  A weight that ends in `D` writes to the residual stream (`out_HKD`: H and K are summed), one that
  ends in `R` to the rank of an adapter; any other reads its first letter (`q_DHK`: D), and a kernel
  over an image or a text that after its places (`conv_YXDF`: Y, X and D; `window_WDF`: W and D).
  Stacking letters (L, E) are never summed. A vector has none, nor has what is added or multiplied
  element by element, whatever its axes: its name has one of `ELEMENTWISE` (`q_bias_HK`, `rate_FN`).
  """
  axes = letters(name)
  if ELEMENTWISE & set(name.rpartition("/")[2].split("_")):
    return ()
  first = next((i for i, c in enumerate(axes) if c not in "LE"), len(axes))
  if len(axes) - first < 2:
    return ()
  for kernel in ("YX", "W"):
    if axes[first:].startswith(kernel) and len(axes) - first > len(kernel) + 1:
      return tuple(range(first, first + len(kernel) + 1))
  return tuple(range(first, len(axes) - 1)) if axes[-1] in "DR" else (first,)


def make_mesh(sizes: Mapping[str, int], devices: list | None = None) -> Mesh:
  """A mesh over all devices with axes named as in `MESH_AXES`; a size of -1 takes what is left.

  Raises:
    UserError: an unknown axis, more than one -1, or sizes that do not multiply to the device count.
  """
  devices = devices if devices is not None else jax.devices()
  for axis in sizes:
    if axis not in MESH_AXES:
      raise UserError(
        f"config.mesh.{axis}: unknown mesh axis{nearest(axis, MESH_AXES)}; axes: {MESH_AXES}"
      )
  shape = [int(sizes.get(axis, 1)) for axis in MESH_AXES]
  if shape.count(-1) > 1 or any(n < 1 and n != -1 for n in shape):
    raise UserError(
      f"config.mesh={dict(sizes)}: sizes are positive, and at most one is -1 (the rest)"
    )
  fixed = math.prod(n for n in shape if n != -1)
  if -1 in shape and len(devices) % fixed == 0:
    shape[shape.index(-1)] = len(devices) // fixed
  if math.prod(shape) != len(devices):
    wanted = " x ".join(f"{a}={n}" for a, n in zip(MESH_AXES, shape, strict=True) if n != 1) or "1"
    raise UserError(
      f"config.mesh: {wanted} does not multiply to the {len(devices)} devices there are; "
      f"set one axis to -1 to take the rest"
    )
  grid = np.asarray(devices).reshape(shape)
  return Mesh(grid, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))


@contextlib.contextmanager
def use_mesh(
  mesh: Mesh, table: Mapping[str, str | tuple[str, ...]] | None = None
) -> Iterator[Mesh]:
  """Makes `mesh` (and a table of letters) the one that `constrain` and `sharding` see."""
  global _table
  before, _table = _table, {**TABLE, **(table or {})}
  try:
    with jax.set_mesh(mesh):
      yield mesh
  finally:
    _table = before


def partition(
  axes: str, shape: tuple[int, ...], mesh: Mesh | AbstractMesh, name: str = ""
) -> PartitionSpec:
  """The PartitionSpec of an array with these letters and shape.

  Left to right, a letter takes the mesh axes that the table gives it and that no letter before it
  has taken. Where a size does not divide, that axis stays whole, with one warning that names it; an
  axis of size 1 (one row, one token) says nothing, as there is nothing to share out.
  """
  spent: set[str] = set()
  spec: list[Any] = []
  for letter, size in zip(axes, shape, strict=True):
    wanted = _table.get(letter, ())
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    wanted = tuple(a for a in wanted if a not in spent and mesh.shape.get(a, 1) > 1)
    ways = math.prod(mesh.shape[a] for a in wanted)
    if wanted and size % ways:
      if size > 1:
        _warn_once(name or axes, letter, size, wanted, ways)
      wanted = ()
    spent.update(wanted)
    spec.append(wanted[0] if len(wanted) == 1 else wanted or None)
  return PartitionSpec(*spec)


def sharding(tree: Any, mesh: Mesh) -> Any:
  """A tree of NamedShardings, leaf by leaf, from the names in the tree.

  A leaf whose letters do not match its rank (an optimizer's counters, a key) is replicated.
  """

  def leaf_sharding(path: tuple, leaf: Any) -> NamedSharding:
    name = path_of(path)
    axes = letters(name)
    spec = partition(axes, leaf.shape, mesh, name) if len(axes) == leaf.ndim else PartitionSpec()
    return NamedSharding(mesh, spec)

  return jax.tree_util.tree_map_with_path(leaf_sharding, tree)


def laid(shapes: Any, mesh: Mesh) -> Any:
  """Shapes with the shardings of their names, as what restores or makes arrays takes them."""
  return jax.tree.map(
    lambda s, where: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=where),
    shapes,
    sharding(shapes, mesh),
  )


def constrain(x: jax.Array, axes: str) -> jax.Array:
  """Pins an activation to the sharding of its letters on the current mesh ("." is whole); nothing
  without a mesh.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    return x
  return jax.lax.with_sharding_constraint(x, partition(axes, x.shape, mesh))


def time_axis(x_BT: jax.Array | np.ndarray) -> str | None:
  """The one axis of the current mesh that time is shared out along, of activations of as many rows
  and steps as this one; None where it is whole, or along several.
  """
  mesh = jax.sharding.get_abstract_mesh()
  where = None if mesh.empty else partition("BT", x_BT.shape[:2], mesh)[-1]
  return where if isinstance(where, str) else None


def put_batch(
  batch: Mapping[str, np.ndarray], mesh: Mesh, stacked: bool = False
) -> dict[str, jax.Array]:
  """Moves this process's rows of a batch (`tokens_BT`, ...) onto the mesh as global arrays.

  With `stacked`, every array has a leading axis of steps that stays whole.
  """

  processes = jax.process_count()

  def sharding(name: str, shape: tuple[int, ...]) -> NamedSharding:
    shape = shape[1:] if stacked else shape
    spec = partition(letters(name), (shape[0] * processes, *shape[1:]), mesh, name)
    return NamedSharding(mesh, PartitionSpec(None, *spec) if stacked else spec)

  where = {name: sharding(name, rows.shape) for name, rows in batch.items()}
  if processes == 1:  # one call for all arrays: a third of the time
    return jax.device_put(dict(batch), where)
  return {
    name: jax.make_array_from_process_local_data(where[name], rows) for name, rows in batch.items()
  }


def _warn_once(name: str, letter: str, size: int, mesh_axes: tuple[str, ...], ways: int) -> None:
  if (letter, size, ways) not in _warned:
    _warned.add((letter, size, ways))
    _log.warning(
      "axis %s of %s has size %d, which does not divide mesh axes %s = %d: left whole",
      letter,
      name,
      size,
      "x".join(mesh_axes),
      ways,
    )
