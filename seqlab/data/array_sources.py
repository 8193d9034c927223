"""Where arrays come from: the members of `config.data.source` that give images or points instead of
text, and how their validation set is held out.
"""

import gzip
import hashlib
import lzma
import os
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.data.adding import adding
from seqlab.data.arrays import Arrays
from seqlab.data.files import find, identify
from seqlab.data.gaussians import grid, ring
from seqlab.data.rolls import rolls
from seqlab.data.table import Table
from seqlab.errors import UserError, nearest
from seqlab.spec import Call, make, parse


def idx(config_key: str, path: str = "", labels: str = "") -> Table:
  """Images in an idx file (`train-images-idx3-ubyte.gz` of MNIST), with the idx file of their
  classes.
  """
  image, file = _read_idx(path, config_key)
  if image.ndim not in (3, 4) or image.dtype != np.uint8:
    raise UserError(
      f"{config_key}: {file} holds {image.dtype}{list(image.shape)}; bytes of images are wanted"
    )
  columns = {"image_BYXD": _checked(image, f"{config_key}: {file}")}
  names: tuple[str, ...] = ()
  if labels:
    label, other = _read_idx(labels, config_key)
    columns["label_B"], names = _classes(label, len(image), f"{config_key}: {other}")
  return Table(columns, names)


def npz(config_key: str, path: str = "", images: str = "images", labels: str = "") -> Table:
  """Images of an .npz file: [count, rows, columns] or with channels last, bytes or floats from 0 to
  1; `labels` names an array of whole numbers.
  """
  ((file, _),) = find(path, config_key)[:1]
  try:
    with np.load(file, allow_pickle=False) as stored:
      held = {name: stored[name] for name in stored.files}
  except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
    raise UserError(f"{config_key}: {file} is no .npz of arrays ({error})") from None
  for name in filter(None, (images, labels)):
    if name not in held:
      raise UserError(
        f"{config_key}: {file} has no array {name!r}{nearest(name, held)}; it has {', '.join(held)}"
      )
  image = held[images]
  if image.ndim not in (3, 4) or not (image.dtype == np.uint8 or image.dtype.kind == "f"):
    raise UserError(
      f"{config_key}: {images} of {file} is {image.dtype}{list(image.shape)}; images are "
      f"[count, rows, columns] or [count, rows, columns, channels], bytes or floats"
    )
  columns = {"image_BYXD": _checked(image, f"{config_key}: {images} of {file}")}
  names: tuple[str, ...] = ()
  if labels:
    what = f"{config_key}: {labels} of {file}"
    columns["label_B"], names = _classes(held[labels], len(image), what)
  return Table(columns, names)


def digits(config_key: str) -> Table:
  """The 1,797 digits of 8 x 8 pixels that scikit-learn carries: no download."""
  try:
    from sklearn.datasets import load_digits
  except ImportError:
    raise UserError(
      f"{config_key}: digits() needs scikit-learn; pip install scikit-learn"
    ) from None
  data = load_digits()
  image = (data.images[..., None] / 16).astype(np.float32)
  label = data.target.astype(np.int32)
  return Table({"image_BYXD": image, "label_B": label}, tuple(map(str, range(10))))


_CLASSES = 100_000  # more are no numbers of classes

ARRAY_SOURCES: dict[str, Callable[..., Table]] = dict(
  idx=idx, npz=npz, digits=digits, ring=ring, grid=grid, adding=adding, rolls=rolls
)


def gives_arrays(source: str, key: str = "config.data.source") -> bool:
  """Whether a source is one of arrays.

  Raises:
    UserError: it mixes them with others.
  """
  names = [call.name for call in parse(source, key)]
  found = [name for name in names if name in ARRAY_SOURCES]
  if found and len(names) > 1:
    raise UserError(f"{key}={source!r}: {found[0]}() gives arrays; it cannot be mixed")
  return bool(found)


def read_arrays(source: str, valid: str) -> Arrays:
  """The arrays of a source, its validation set held out by `hash(fraction=…)` or
  `tail(fraction=…)`, or given as a source of its own.

  Raises:
    UserError: anything wrong with the specs or the files, or validation arrays of another shape.
  """
  table, call = _table(source, "config.data.source")
  rule = parse(valid, "config.data.valid")[0]
  if rule.name in RULES:
    held = make(rule, RULES, "config.data.valid", x=next(iter(table.columns.values())))
    splits = {
      name: {key: x[held == number] for key, x in table.columns.items()}
      for number, name in enumerate(("train", "valid"))
    }
  else:
    other, rule = _table(valid, "config.data.valid")
    shapes = {name: x.shape[1:] for name, x in table.columns.items()}
    _check_alike(f"config.data.valid={valid!r}", other, shapes, table.labels)
    splits = {"train": table.columns, "valid": other.columns}
  for name, columns in splits.items():
    if not len(next(iter(columns.values()))):
      raise UserError(f"config.data.valid={valid!r}: no example is left to {name}")
  hashes = [x for columns in splits.values() for x in map(_hash, columns.values())]
  return Arrays(splits, list(table.labels), identify([*hashes, table.labels]), str(call))


def read_whole(
  source: str,
  key: str,
  shapes: Mapping[str, tuple[int, ...]],
  labels: Sequence[str],
  labelled: bool = True,
) -> Arrays:
  """All of a source as the split "train", for a network made for such shapes and labels; where it
  need not be `labelled`, with the labels that it has.
  """
  table, call = _table(source, key)
  if not labelled:
    told = {"label_B", "target_B"} - table.columns.keys()
    shapes = {name: shape for name, shape in shapes.items() if name not in told}
  _check_alike(f"{key}={source}", table, shapes, labels)
  columns = {name: table.columns[name] for name in shapes}
  hashes = [_hash(x) for x in columns.values()]
  return Arrays({"train": columns}, list(labels), identify(hashes), str(call))


def by_hash(x: np.ndarray, fraction: float = 0.1) -> np.ndarray:
  """1 for the examples that are held out, by the hash of each: copies stay together, and the split
  stays as it is when examples are added.
  """
  _check_fraction("hash", fraction)
  hashed = [int.from_bytes(hashlib.sha256(one.tobytes()).digest()[:8]) for one in x]
  return (np.array(hashed, np.float64) / 2**64 < fraction).astype(int)


def by_tail(x: np.ndarray, fraction: float = 0.1) -> np.ndarray:
  """1 for the last examples."""
  _check_fraction("tail", fraction)
  return (np.arange(len(x)) >= len(x) - round(len(x) * fraction)).astype(int)


RULES: dict[str, Callable[..., np.ndarray]] = dict(hash=by_hash, tail=by_tail)


def _check_fraction(rule: str, fraction: float) -> None:
  if not 0 < fraction < 1:
    raise UserError(f"config.data.valid: fraction={fraction} of {rule}(): above 0 and below 1")


def _table(source: str, key: str) -> tuple[Table, Call]:
  call = parse(source, key)[0]
  return make(call, ARRAY_SOURCES, key, config_key=key), call


def _check_alike(
  what: str, other: Table, shapes: Mapping[str, tuple[int, ...]], labels: Sequence[str]
) -> None:
  """Refuses arrays of other shapes than a network was made for."""
  for name, shape in shapes.items():
    if name not in other.columns:
      raise UserError(f"{what}: it gives no {name}, which config.data.source does")
    if other.columns[name].shape[1:] != tuple(shape):
      found = list(other.columns[name].shape[1:])
      raise UserError(
        f"{what}: its arrays are {found}, those of config.data.source {list(shape)}; they must be "
        f"alike"
      )
  # modes are named by where they stand, classes by their numbers
  if "label_B" in shapes and other.labels != tuple(labels[: len(other.labels)]):
    raise UserError(
      f"{what}: its labels are {_few(other.labels)}, those of config.data.source {_few(labels)}"
    )


def _few(names: Sequence[str]) -> str:
  return ", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]}, ..., {names[-1]}"


def _read_idx(path: str, key: str) -> tuple[np.ndarray, str]:
  """The array of an idx file, whose head gives type and sizes (yann.lecun.com/exdb/mnist)."""
  ((file, _),) = find(path, key)[:1]
  opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(os.path.splitext(file)[1], open)
  try:
    with opener(file, "rb") as stream:
      data = stream.read()
    zero, kind, axes = struct.unpack(">HBB", data[:4])
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    if zero or kind != 8:
      raise ValueError("its head is not that of bytes")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape), file
  except (OSError, EOFError, ValueError, struct.error, lzma.LZMAError) as error:
    raise UserError(f"{key}: {file} is no idx file ({error})") from None


def _classes(label: np.ndarray, count: int, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
  """The class of each of `count` images, and the names of all classes."""
  whole = label.shape == (count,) and label.dtype.kind in "iu" and label.min(initial=0) >= 0
  if not whole or label.max(initial=0) >= _CLASSES:
    raise UserError(
      f"{what} is {label.dtype}{list(label.shape)}; {count} whole numbers from 0 to "
      f"{_CLASSES - 1}, one for each image, are wanted"
    )
  return label.astype(np.int32), tuple(map(str, range(int(label.max(initial=0)) + 1)))


def _checked(image: np.ndarray, what: str) -> np.ndarray:
  if 0 in image.shape:
    raise UserError(f"{what}: images of {list(image.shape)} hold no pixel")
  if image.dtype != np.uint8:
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
      first = np.argwhere(~np.isfinite(image))[0]
      raise UserError(f"{what}: pixel {first.tolist()} is {image[tuple(first)]}")
    if image.min(initial=0) < 0 or image.max(initial=0) > 1:
      raise UserError(
        f"{what}: floats from {image.min():.3g} to {image.max():.3g}; 0 to 1 is wanted"
      )
  return image if image.ndim == 4 else image[..., None]


def _hash(x: np.ndarray) -> str:
  return hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
