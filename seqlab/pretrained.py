"""Parameters out of a checkpoint that somebody else owns: to evaluate, to sample, to fine-tune.

Nothing here writes: a run may go on training while it is read. Paths of parameters are relative to
`source`, the part of the train state they are read from: "params", or where their average is kept.
"""

import contextlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from seqlab import axes, checkpoint, leaves, stored
from seqlab.errors import UserError, nearest

Which = int | str  # a step, "latest" or "best"


def read_metadata(path: str | os.PathLike, which: Which = "latest") -> tuple[int, dict[str, Any]]:
  """Returns (step, the metadata given to `Checkpoints.save`) without reading any array."""
  folder, body = _open(path, which)
  return int(folder.name), body["metadata"]


def has_best(path: str | os.PathLike) -> bool:
  """Whether "best" names a step: some checkpoint was saved with a finite metric."""
  root = _root(path)
  return bool(_best(root, checkpoint.steps(root)))


def restore_params(
  path: str | os.PathLike,
  example: Any,
  which: Which = "latest",
  source: str = "params",
  whole: bool = True,
) -> tuple[Any, int, dict[str, Any]]:
  """Returns (params, step, metadata); `example` gives names, shapes, dtypes and shardings.

  `path` is a run's folder, its folder of checkpoints, or one step. Floats are cast to `example`'s
  dtypes. Where not the `whole` is wanted, the checkpoint may hold more than `example`.

  Raises:
    UserError: there is no such checkpoint, it is damaged, or it holds other names or shapes.
  """
  folder, body = _open(path, which)
  saved = _saved(folder, body, source)
  wanted = leaves.by_path(example)
  if not whole:
    saved = {p: look for p, look in saved.items() if p in wanted}
  if report := leaves.compare(saved, _wanted_looks(saved, wanted)):
    raise UserError(f"{folder}: the checkpoint does not fit this config: {report}")
  return (
    stored.fill(example, _take(folder, body, source, wanted)),
    int(folder.name),
    body["metadata"],
  )


def fitting(
  path: str | os.PathLike,
  params: Any,
  keep: str,
  which: Which,
  source: str,
) -> leaves.Report:
  """Returns what `partial_restore` would report, without reading any array; only the shapes and
  dtypes of `params` are looked at.
  """
  return _fitting(path, *_open(path, which), params, keep, True, source)


def partial_restore(
  path: str | os.PathLike,
  params: Any,
  keep: str = ".*",
  allow_missing: bool = True,
  which: Which = "latest",
  source: str = "params",
) -> tuple[Any, leaves.Report]:
  """Returns (params, report): leaves that `keep` selects come from the checkpoint.

  `keep` is a selector (`axes.selects`). A leaf that it selects and the
  checkpoint lacks stays as it is where `allow_missing`; one of another shape is an error, and so is
  a `keep` that takes nothing. The report compares the whole trees; `taken` are the leaves copied.
  """
  folder, body = _open(path, which)
  report = _fitting(path, folder, body, params, keep, allow_missing, source)
  wanted = leaves.by_path(params)
  got = _take(folder, body, source, {p: wanted[p] for p in report.taken})

  def leaf(keys: tuple, x: Any) -> Any:
    return got.get(leaves.path_of(keys), x)

  return jax.tree_util.tree_map_with_path(leaf, params), report


def _fitting(
  path: str | os.PathLike,
  folder: pathlib.Path,
  body: Mapping[str, Any],
  params: Any,
  keep: str,
  allow_missing: bool,
  source: str,
) -> leaves.Report:
  saved = _saved(folder, body, source)
  wanted = leaves.by_path(params)
  report = leaves.compare(saved, _wanted_looks(saved, wanted))
  wrong = {p: pair for p, pair in report.mismatched.items() if axes.selects(keep, p, "init.keep")}
  lacking = tuple(
    p for p in report.missing if axes.selects(keep, p, "init.keep") and not allow_missing
  )
  if wrong or lacking:
    refused = leaves.Report((), lacking, (), wrong)
    sizes = [map(leaves.shape_of, pair) for p, pair in wrong.items() if p.endswith("embed_VD")]
    larger = [had[0] for had, wants in sizes if had[0] > wants[0] and had[1:] == wants[1:]]
    more = f"; of the same vocabulary, set config.model.vocab={larger[0]}" if larger else ""
    raise UserError(
      f"init.path={str(path)!r}: {refused}; let init.keep (now {keep!r}) select only what fits"
      f"{more}"
    )
  taken = tuple(p for p in report.taken if axes.selects(keep, p, "init.keep"))
  if not taken:
    raise UserError(
      f"init.keep={keep!r} takes nothing from {folder}; it holds {_few(saved)}, "
      f"the model has {_few(wanted)}"
    )
  return leaves.Report(taken, report.missing, report.unexpected, report.mismatched)


def _open(path: str | os.PathLike, which: Which) -> tuple[pathlib.Path, dict[str, Any]]:
  """Returns the folder of the step that `which` names and what it says of itself."""
  root = _root(path)
  if root.name.isdecimal() and not checkpoint.steps(root) and root.is_dir():
    return root, _read(root)
  found = checkpoint.steps(root)
  if not found:
    raise UserError(f"{root}: no checkpoint here; give the folder of a run that has saved one")
  if which == "latest":
    step = found[-1]
  elif which == "best":
    best = _best(root, found)
    if not best:
      raise UserError(f"{root}: no checkpoint has a finite metric, so none is best; use 'latest'")
    step = best[0]
  elif str(which).isdecimal():
    step = int(which)
  else:
    raise UserError(f"which={which!r}: 'latest', 'best' or a step{nearest(str(which), _NAMES)}")
  if step not in found:
    raise UserError(f"{root}: no checkpoint of step {step}; there is: {_few(found)}")
  return root / str(step), _read(root / str(step))


_NAMES = ("latest", "best")


def _root(path: str | os.PathLike) -> pathlib.Path:
  root = pathlib.Path(path).absolute()
  return root / "checkpoints" if (root / "checkpoints").is_dir() else root


def _best(root: pathlib.Path, found: list[int]) -> list[int]:
  bodies = {}
  for step in found:
    with contextlib.suppress(stored.Damaged):
      bodies[step] = stored.read_body(root / str(step))
  metric = bodies[max(bodies)]["metric"] if bodies else None
  return checkpoint.best_steps({s: b["metrics"] for s, b in bodies.items()}, metric, 1)


def _read(folder: pathlib.Path) -> dict[str, Any]:
  try:
    return stored.read_body(folder)
  except stored.Damaged as error:
    raise _damaged(folder, error) from error


def _damaged(folder: pathlib.Path, error: Exception) -> UserError:
  others = [s for s in checkpoint.steps(folder.parent) if str(s) != folder.name]
  return UserError(f"{folder}: damaged ({error}); other steps here: {_few(others) or 'none'}")


def _saved(folder: pathlib.Path, body: Mapping[str, Any], source: str) -> dict[str, str]:
  prefix = f"{source}/"
  saved = {p.removeprefix(prefix): v for p, v in body["leaves"].items() if p.startswith(prefix)}
  if not saved:
    tops = sorted({p.split("/")[0] for p in body["leaves"]})
    raise UserError(f"{folder}: nothing is saved under {source!r}; there is: {', '.join(tops)}")
  return saved


def _wanted_looks(saved: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, str]:
  """What the wanted leaves look like, with the saved dtype where only the float dtype differs."""

  def look(p: str, x: Any) -> str:
    floats = p in saved and all("float" in s.split("[")[0] for s in (saved[p], leaves.looks(x)))
    same = floats and leaves.shape_of(saved[p]) == tuple(x.shape)
    return saved[p] if same else leaves.looks(x)

  return {p: look(p, x) for p, x in wanted.items()}


def _take(
  folder: pathlib.Path, body: Mapping[str, Any], source: str, wanted: Mapping[str, Any]
) -> dict[str, jax.Array]:
  """Returns the wanted leaves, cast to the dtypes wanted, by their path below `source`."""
  prefix = f"{source}/"
  try:
    got = stored.load(folder, body, {prefix + p: x for p, x in wanted.items()})
  except stored.Damaged as error:
    raise _damaged(folder, error) from error
  return {p: got[prefix + p].astype(x.dtype) for p, x in wanted.items() if prefix + p in got}


def _few(names: Any) -> str:
  names = sorted(names)
  return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
