"""The leaves of a tree by their path `a/b/c`: what they look like, how two trees differ, checksums.

The rest may rely on: a namedtuple field, a list index and a dict key read alike in a path;
`compare` never takes an order for a difference; `checksums` does not depend on the sharding.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def path_of(keys: tuple) -> str:
  """Returns the path string of a key path of `jax.tree_util`."""
  return jax.tree_util.keystr(keys, simple=True, separator="/")


def by_path(tree: Any) -> dict[str, Any]:
  """Returns `{path: leaf}`, sorted by path. None and empty containers have no leaves."""
  pairs = jax.tree_util.tree_flatten_with_path(tree)[0]
  leaves = {path_of(keys): leaf for keys, leaf in pairs}
  if len(leaves) != len(pairs):
    raise ValueError("two leaves share a path: a key of the tree contains '/'")
  return dict(sorted(leaves.items()))


def nest(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """Returns plain nested dicts, the inverse of `by_path` up to the kinds of containers."""
  tree: dict[str, Any] = {}
  for path, leaf in leaves.items():
    *parents, last = path.split("/")
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[last] = leaf
  return tree


def nbytes(tree: Any) -> int:
  """Bytes of the arrays, or shapes, of a tree."""
  return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def looks(leaf: Any) -> str:
  """Returns dtype and shape as text, `float32[3,4]`."""
  dtype = jax.dtypes.canonicalize_dtype(leaf.dtype, allow_extended_dtype=True)
  return f"{dtype}[{','.join(map(str, leaf.shape))}]"


def shape_of(look: str) -> tuple[int, ...]:
  """Returns the shape in what `looks` returned."""
  inside = look[look.index("[") + 1 : -1]
  return tuple(int(size) for size in inside.split(",") if size)


def size_of(look: str) -> int:
  """Returns the number of elements in what `looks` returned."""
  return math.prod(shape_of(look))


@dataclasses.dataclass(frozen=True)
class Report:
  """How a saved tree differs from the wanted one. Falsy where it does not.

  `missing` is wanted and not saved, `unexpected` saved and not wanted, `mismatched` maps a path to
  what was saved and what is wanted. `taken` are the paths that agree.
  """

  taken: tuple[str, ...]
  missing: tuple[str, ...]
  unexpected: tuple[str, ...]
  mismatched: dict[str, tuple[str, str]]

  def __bool__(self) -> bool:
    return bool(self.missing or self.unexpected or self.mismatched)

  def __str__(self) -> str:
    mismatched = [f"{p}: {s} saved, {w} wanted" for p, (s, w) in self.mismatched.items()]
    parts = []
    for word, names in (
      ("missing", self.missing),
      ("unexpected", self.unexpected),
      ("mismatched", mismatched),
    ):
      if names:
        more = ", ..." if len(names) > 5 else ""
        parts.append(f"{len(names)} {word} ({', '.join(names[:5])}{more})")
    return ", ".join(parts) or "no difference"


def compare(saved: Mapping[str, str], wanted: Mapping[str, str]) -> Report:
  """Compares two `{path: look}` tables."""
  both = sorted(saved.keys() & wanted.keys())
  return Report(
    taken=tuple(p for p in both if saved[p] == wanted[p]),
    missing=tuple(sorted(wanted.keys() - saved.keys())),
    unexpected=tuple(sorted(saved.keys() - wanted.keys())),
    mismatched={p: (saved[p], wanted[p]) for p in both if saved[p] != wanted[p]},
  )


@jax.jit
def _checksum(x: jax.Array) -> jax.Array:
  """Returns a uint32 that changes when any one element changes or two different ones change place.

  Every element is read as words of at most 32 bits; word i, offset by a multiple of i, goes through
  the finalizer of MurmurHash3, a bijection, and the results are added modulo 2^32. Integer addition
  is associative, so neither the sharding nor the order of a reduction can change the sum. Any other
  array passes with probability 2^-32.
  """
  if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
    x = jax.random.key_data(x)
  if jnp.issubdtype(x.dtype, jnp.complexfloating):
    x = jnp.stack([x.real, x.imag], -1)
  bits = jax.dtypes.itemsize_bits(x.dtype)
  if x.dtype != jnp.bool_:
    x = jax.lax.bitcast_convert_type(x, f"uint{min(bits, 32)}")  # 64 bits become two words
  words = x.astype(jnp.uint32)
  # The flat index is built from one iota per dimension: a reshape would gather a sharded array.
  index, stride = jnp.uint32(0), 1
  for dimension in reversed(range(words.ndim)):
    iota = jax.lax.broadcasted_iota(jnp.uint32, words.shape, dimension)
    index, stride = index + iota * jnp.uint32(stride % 2**32), stride * words.shape[dimension]
  mixed = words + index * jnp.uint32(0x9E3779B9)
  mixed = (mixed ^ (mixed >> 16)) * jnp.uint32(0x85EBCA6B)
  mixed = (mixed ^ (mixed >> 13)) * jnp.uint32(0xC2B2AE35)
  return jnp.sum(mixed ^ (mixed >> 16), dtype=jnp.uint32)


@jax.jit
def _stack(sums: list[jax.Array]) -> jax.Array:
  return jnp.stack(sums)


def checksums(leaves: Mapping[str, jax.Array]) -> jax.Array:
  """Returns one uint32 per leaf in the order of sorted paths, computed where the leaves are.

  One small program per shape, not one over the tree: shapes are few, and they set the compile time.
  """
  return _stack([_checksum(leaf) for _, leaf in sorted(leaves.items())])


def fingerprint(tree: Any) -> str:
  """Returns what tells a tree from every other in practice: of its paths, looks and checksums."""
  leaves = by_path(tree)
  told = hashlib.sha256(np.asarray(checksums(leaves)).astype("<u4").tobytes())
  told.update(repr([(path, looks(leaf)) for path, leaf in leaves.items()]).encode())
  return told.hexdigest()[:16]


def is_table(path: str) -> bool:
  """Whether a leaf is looked up by ids: embeddings, positions, types of tokens, and what adapts
  them.
  """
  return path.rpartition("/")[2].startswith(("embed_", "position_", "type_"))
