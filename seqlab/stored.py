"""One checkpoint step on disk, by Orbax v1: the only file that knows Orbax.

A step is one tree of plain dicts, `{state: {...}, checksums: uint32[leaves]}`, and a sealed JSON
`body` with a table of what every leaf looks like. What the rest may rely on:
- The directory either is whole or does not exist under its name, whenever the process dies.
- What `load` returns is bit for bit what was saved, or it raises `Damaged`.
- Containers (namedtuples, tuples, empty dicts, None) come from the caller's tree, and leaves
  without elements are made anew, because Orbax writes neither faithfully. Shardings come from the
  caller too, never from the file, so that a state restores on any mesh.
"""

import json
import logging
import os
import pathlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from seqlab import leaves
from seqlab.errors import UserError

LEFTOVERS = "*.orbax-checkpoint-tmp*"  # what a killed save leaves in the parent directory
_FILES = "files.json"
_FORMAT = 1
# An error that says one of these is the machine's trouble of the moment: the file may well be good.
_TRANSIENT = (
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "UNAVAILABLE",
  "Permission denied",
  "Too many",
)


# Orbax logs what it also raises: a traceback per thread of a failed write, a page per torn file.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


class Damaged(Exception):
  """A checkpoint that cannot be read, or whose contents are not what was saved."""


def write(path: pathlib.Path, state: Any, about: Mapping[str, Any]) -> ocp.AsyncResponse:
  """Starts to write `state`; its arrays may be donated once this returns. `about` is JSON.

  The response's `result()` waits until the step is whole and raises what went wrong.
  """
  arrays = {p: _as_array(x) for p, x in leaves.by_path(state).items()}
  stored = {p: x for p, x in arrays.items() if x.size}
  body = {"format": _FORMAT, "leaves": {p: leaves.looks(x) for p, x in arrays.items()}, **about}
  # The checksums travel as an array of the tree: dispatched now, fetched and written with the rest.
  tree = {"state": leaves.nest(stored), "checksums": leaves.checksums(stored)}
  return ocp.save_async(str(path), tree, custom_metadata=_seal(body))


def list_files(path: pathlib.Path) -> None:
  """Writes down the sizes of a whole step's files, so that a torn one is told without Orbax."""
  sizes = {str(p.relative_to(path)): p.stat().st_size for p in path.rglob("*") if p.is_file()}
  temporary = path / f"{_FILES}.tmp"
  temporary.write_text(json.dumps(sizes))
  os.replace(temporary, path / _FILES)


def _check_files(path: pathlib.Path) -> None:
  if not (path / _FILES).exists():  # killed after the step became whole, before they were listed
    return
  for name, size in json.loads((path / _FILES).read_text()).items():
    there = (path / name).stat().st_size if (path / name).is_file() else None
    if there != size:
      raise Damaged(f"{name} is missing" if there is None else f"{name}: {there} of {size} bytes")


def read_body(path: pathlib.Path) -> dict[str, Any]:
  """Returns what a step says of itself: `leaves`, `metrics`, `metric` and the caller's `metadata`.

  Raises:
    Damaged: it cannot be read or was altered.
    UserError: it is good, but not ours to read.
  """
  _attempt(path, lambda: _check_files(path))
  sealed = _attempt(path, lambda: ocp.metadata(str(path)).custom_metadata)
  if not isinstance(sealed, dict) or sealed.keys() != {"body", "crc"}:
    raise Damaged("seqlab did not write it, or not to the end")
  body, crc = sealed["body"], sealed["crc"]
  if crc != _crc(body):
    raise Damaged("its metadata was altered")
  if body["format"] != _FORMAT:
    raise UserError(
      f"{path}: checkpoint format {body['format']}, this seqlab reads {_FORMAT}; "
      "read it with the version that wrote it"
    )
  return body


def load(
  path: pathlib.Path, body: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, jax.Array]:
  """Returns the leaves of `wanted` that have elements: saved values and dtypes, wanted shardings.

  `wanted` maps paths of `body["leaves"]` to arrays or abstract arrays of the saved shapes.

  Raises:
    Damaged: a leaf cannot be read or fails its checksum.
  """
  stored = [p for p in sorted(body["leaves"]) if leaves.size_of(body["leaves"][p])]
  chosen = {p: _abstract(wanted[p], body["leaves"][p]) for p in stored if p in wanted}
  if not chosen:
    return {}
  tree = {
    "state": leaves.nest({p: chosen.get(p, ocp.PLACEHOLDER) for p in stored}),
    "checksums": np.empty(len(stored), np.uint32),
  }
  got = _attempt(path, lambda: ocp.load(str(path), tree))
  loaded = {p: x for p, x in leaves.by_path(got["state"]).items() if p in chosen}
  said = dict(zip(stored, np.asarray(got["checksums"]), strict=True))
  found = dict(zip(sorted(loaded), np.asarray(leaves.checksums(loaded)), strict=True))
  if wrong := [p for p in found if found[p] != said[p]]:
    more = ", ..." if len(wrong) > 5 else ""
    raise Damaged(f"{len(wrong)} leaves fail their checksum: {', '.join(wrong[:5])}{more}")
  return loaded


def fill(example: Any, loaded: Mapping[str, jax.Array]) -> Any:
  """Returns `example` with its leaves taken from `loaded`; those without elements are made anew."""

  def leaf(keys: tuple, x: Any) -> jax.Array:
    if x.size:
      return loaded[leaves.path_of(keys)]
    return jnp.zeros(x.shape, x.dtype, device=_sharding(x))

  return jax.tree_util.tree_map_with_path(leaf, example)


def _as_array(x: Any) -> jax.Array:
  return x if isinstance(x, jax.Array) else jnp.array(x)  # a copy: the caller may write into it


def _sharding(x: Any) -> jax.sharding.Sharding:
  return getattr(x, "sharding", None) or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])


def _abstract(x: Any, saved: str) -> jax.ShapeDtypeStruct:
  dtype = x.dtype if leaves.looks(x) == saved else jnp.dtype(saved[: saved.index("[")])
  return jax.ShapeDtypeStruct(x.shape, dtype, sharding=_sharding(x))


def _crc(body: Any) -> int:
  return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def _seal(body: dict[str, Any]) -> dict[str, Any]:
  body = json.loads(json.dumps(body))  # tuples become lists now, not between two checksums
  return {"body": body, "crc": _crc(body)}


def _attempt(path: pathlib.Path, read: Callable[[], Any]) -> Any:
  """Returns `read()`; raises what a failure of it means."""
  try:
    return read()
  except Damaged:
    raise
  except Exception as error:
    raise _judge(path, error) from error


def _judge(path: pathlib.Path, error: Exception) -> Exception:
  """Returns what a failure to read means: damage, or trouble that says nothing of the file."""
  chain = _chain(error)
  text = " ".join(map(str, chain))
  if isinstance(chain[-1], (MemoryError, PermissionError)) or any(t in text for t in _TRANSIENT):
    return UserError(f"{path}: the checkpoint cannot be read now ({reason(error)}); it is kept")
  return Damaged(reason(error))


def reason(error: BaseException) -> str:
  """Returns one line that says what went wrong at the bottom of a chain of exceptions."""
  root = _chain(error)[-1]
  line = (str(root).strip() or type(root).__name__).splitlines()[0]
  if (
    "os_error_code" in line
  ):  # tensorstore: STATUS: Failed writing: "PATH": ...: No space left [...]
    line = line.split(" [")[0].rsplit(": ", 1)[-1]
  return line[:200]


def _chain(error: BaseException) -> list[BaseException]:
  chain = [error]
  while link := chain[-1].__cause__ or chain[-1].__context__:
    chain.append(link)
  return chain
