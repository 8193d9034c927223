"""The trials of a sweep: made from its config, and found again."""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from seqlab import config as configs
from seqlab import metrics
from seqlab.errors import UserError
from seqlab.keys import FREE
from seqlab.programs import runs_of
from seqlab.sweeps import files, points

CANCELLED, MANIFEST, RESUMED = "cancelled", "manifest.json", "resumed"
HOW = tuple(key for key in FREE if key != "evaluate.")  # keys that decide no number of a trial


def named(changes: Mapping[str, Any]) -> str:
  """Changes as a user knows them."""
  return " ".join(f"{key}={value}" for key, value in changes.items()) or "(as it is)"


@dataclasses.dataclass(frozen=True)
class Run:
  """A run of a trial's program. changes: of the sweep's config, by key, its seed and learning rate
  among them where they are those of one of several.
  """

  changes: Mapping[str, Any]
  folder: pathlib.Path

  @property
  def named(self) -> str:
    """As a user knows it."""
    return named(self.changes)

  def saved(self) -> int:
    """The step of its newest checkpoint, 0 where there is none."""
    found = (self.folder / "checkpoints").glob("[0-9]*")
    return max((int(path.name) for path in found if path.name.isdecimal()), default=0)

  def told(self) -> tuple[int, dict[str, float]]:
    """(the last step of which it has told, the numbers of its newest validation)."""
    lines = metrics.read(self.folder)
    numbers = next((_valid(line) for line in reversed(lines) if _valid(line)), {})
    return (lines[-1]["step"] if lines else 0), numbers

  def at(self, step: int) -> dict[str, float]:
    """The numbers of its validation after so many steps, {} where it has none."""
    lines = (line for line in metrics.read(self.folder) if line["step"] == step)
    return next((_valid(line) for line in lines if _valid(line)), {})


def _valid(line: Mapping[str, Any]) -> dict[str, float]:
  return {name: x for name, x in line.items() if name.startswith("valid/")}


@dataclasses.dataclass(frozen=True)
class Trial:
  """One program, of one run or of several seeds and learning rates. root: of the sweep. changes: of
  its config, by key. rungs: steps after which it waits to be let go on.
  """

  root: pathlib.Path
  id: str
  changes: Mapping[str, Any] = dataclasses.field(hash=False)
  rungs: tuple[int, ...] = ()

  @property
  def config(self) -> pathlib.Path:
    return self.root / "configs" / f"{self.id}.json"

  @property
  def folder(self) -> pathlib.Path:
    return self.root / "runs" / self.id

  @property
  def named(self) -> str:
    """As a user knows it."""
    return named(self.changes)

  def result(self) -> dict[str, Any] | None:
    """What came of it, None where it is not at its end."""
    return files.read(self.folder / "result.json")

  def cancelled(self) -> bool:
    return (self.root / CANCELLED).exists()

  def resumed(self) -> float:
    """When somebody last asked to go on, by the clock of the file system; what failed before that
    is not held against it.
    """
    path = self.root / RESUMED
    return path.stat().st_mtime if path.exists() else 0.0

  def runs(self) -> list[Run]:
    """What its program trains."""
    said = self._config
    told = {"seed": said["seeds"] > 1, "lr": bool(said["lrs"])}  # what tells them apart
    common = {key: x for key, x in self.changes.items() if key not in ("seeds", "lrs")}
    return [
      Run(
        common | {key: x for key, x in own.items() if told[key]},
        pathlib.Path(f"{self.folder}{under}"),
      )
      for own, under in runs_of(said["seed"], said["seeds"], said["lr"], said["lrs"])
    ]

  def saved(self) -> int:
    """How many steps its runs have saved together."""
    return sum(run.saved() for run in self.runs())

  def curve(self, metric: str) -> dict[int, float]:
    """Of each step after which all its runs were evaluated the mean of a metric over them."""
    name = f"valid/{metric}"
    runs = [
      {line["step"]: line[name] for line in metrics.read(run.folder) if line.get(name) is not None}
      for run in self.runs()
    ]
    steps = sorted(set.intersection(*map(set, runs)))
    return {step: sum(run[step] for run in runs) / len(runs) for step in steps}

  def steps(self) -> int:
    """How many each run is to have."""
    return self._config["steps"]

  def level(self) -> int:
    """Of how many rungs it was let go on."""
    level = 0
    while level < len(self.rungs) and self._goes_on(level).exists():
      level += 1
    return level

  def let_go_on(self, rung: int) -> None:
    """Lets it go on from the rung of this number."""
    files.write_once(self._goes_on(rung), {})

  def until(self) -> int:
    """The step up to which it is to be trained for now."""
    return (*self.rungs, self.steps())[self.level()]

  def paused(self, until: int) -> bool:
    """Whether it got to a step that is not its last, and was evaluated there."""
    return until < self.steps() and all(run.at(until) for run in self.runs())

  def _goes_on(self, rung: int) -> pathlib.Path:
    return self.folder / "goes_on" / str(rung)

  @functools.cached_property
  def _config(self) -> dict[str, Any]:  # written once, asked for at every look
    return json.loads(self.config.read_text())


def address(config: ConfigDict, data: str) -> str:
  """The id of a trial: a hash of what decides its numbers (how it is evaluated among it), with the
  fingerprint of its data.
  """
  said = {key: x for key, x in configs.flat(config) if not key.startswith(HOW)}
  plugins = [pathlib.Path(file).read_text() for file in config.plugins]
  text = json.dumps([said, plugins, data], sort_keys=True, ensure_ascii=False)
  return hashlib.sha256(text.encode()).hexdigest()[:10]


def make(
  root: pathlib.Path,
  about: Mapping[str, Any],
  made: Sequence[tuple[str, Mapping[str, Any], ConfigDict]],
) -> list[Trial]:
  """Writes the manifest of a new sweep, or finds that the one there has the same trials.

  made: of each trial its id, what it changes and its config. about: what else a reader wants to
    know.

  Raises:
    UserError: the folder has a sweep of other trials, or cannot be written.
  """
  listed = [dict(id=id, changes=dict(changes)) for id, changes, _ in made]
  there = files.read(root / MANIFEST)
  if there is None:
    for id, _, config in made:
      write(root, Trial(root, id, {}).config, dict(configs.flat(config)))
    write(root, root / MANIFEST, {**about, "cwd": os.getcwd(), "trials": listed})
  manifest = files.read(root / MANIFEST)
  told = json.loads(json.dumps({**about, "trials": listed}))
  if any(manifest.get(key) != told.get(key) for key in ("search", "base")):
    raise UserError(
      f"--workdir={root} holds another sweep than get_sweep() or get_search() and the config say "
      f"now; `seqlab sweep resume` goes on with it, another folder begins with the new one"
    )
  before, now = ({one["id"] for one in of["trials"]} for of in (manifest, told))
  if before != now:
    raise UserError(
      f"--workdir={root} holds a sweep of other trials: {len(now - before)} are new and "
      f"{len(before - now)} gone since it began; `seqlab sweep resume` goes on with its own, "
      f"another folder begins with the new ones"
    )
  return read(root)


def write(root: pathlib.Path, path: pathlib.Path, content: Any) -> None:
  """Writes a file of a sweep, unless it is there.

  Raises:
    UserError: it cannot be written.
  """
  try:
    files.write_once(path, content)
  except OSError as error:
    raise UserError(f"--workdir={root}: cannot be written ({error.strerror})") from None


def about(root: pathlib.Path) -> dict[str, Any]:
  """What the manifest says; its `cwd` is what names of files in the configs start from.

  Raises:
    UserError: there is no sweep in this folder.
  """
  manifest = files.read(root / MANIFEST)
  if manifest is None:
    raise UserError(
      f"--workdir={root}: no sweep here (there is no {MANIFEST}); `seqlab sweep run` makes one"
    )
  return manifest


def read(root: pathlib.Path) -> list[Trial]:
  """The trials of a sweep; of a search those that were asked for so far.

  Raises:
    UserError: as `about`.
  """
  said = about(root)
  rungs = tuple(said.get("search", {}).get("rungs", ()))
  listed = [*said["trials"], *(one for one in points.asked(root) if one["id"])]
  return [Trial(root, one["id"], one["changes"], rungs) for one in listed]
