"""The parameters that a run starts from, in the folder of another; and the base of a run with
adapters, which its own checkpoints leave out.

base.json in the run's folder says which checkpoint the base is, and its fingerprint: whoever opens
the run reads the base there, and is refused another.
"""

import json
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, plugins, pretrained
from seqlab import config as configs
from seqlab.adapt import adaptations
from seqlab.adapt.lora import BASE, adapted
from seqlab.data.learned import TOKENIZER, Learned, load_learned
from seqlab.data.tokenizers import Tokenizer
from seqlab.errors import UserError
from seqlab.leaves import by_path, fingerprint, nest
from seqlab.objectives.base import Batch, Objective

FILE = "base.json"


def read_config(workdir: str) -> ConfigDict:
  """The resolved config of a run, its plugins loaded.

  Raises:
    UserError: the folder holds no run, or a plugin is gone.
  """
  path = pathlib.Path(workdir) / "config.json"
  if not path.is_file():
    raise UserError(
      f"--workdir={workdir}: no run here (there is no config.json); give a folder that "
      f"`seqlab train` made"
    )
  config = configs.read(path)
  plugins.load(config.plugins)
  return config


def source_of(config: ConfigDict) -> str:
  """Where a run's state keeps the parameters to use: their average where it has one."""
  return "extra/ema" if config.ema else "params"


def best_or_latest(workdir: str) -> str:
  """ "best" where a validation loss was recorded with a checkpoint, else "latest"."""
  return "best" if pretrained.has_best(workdir) else "latest"


def start_of(path: str, objective: Objective) -> str:
  """Where the run of `config.init.path` keeps the one model that the objective starts from; of
  several players it is the last that starts, where it writes.

  Raises:
    UserError: no run, one whose model is not whole, or several players to start.
  """
  if objective.players != ("model",) and objective.writes != "continuations":
    raise UserError(
      f"config.init.path={path!r}: a game of {' and '.join(dict.fromkeys(objective.players))} "
      f"has no one model to start; leave it out"
    )
  config = read_config(path)
  if adaptations(config.init.adapt).lora:
    raise UserError(
      f"config.init.path={path!r} is a run of adapters; start from what "
      f"`seqlab merge --workdir={path} --out=DIR` makes of it"
    )
  return f"{source_of(config)}/model"


def begin(
  config: ConfigDict,
  objective: Objective,
  state: dict[str, Any],
  learned: Learned,
  base: dict[str, Any],
) -> dict[str, Any]:
  """The fresh state of a run, with parameters of another where `config.init.path` names one; `base`
  is what `with_base` gave beside it.
  """
  init = config.init
  if base:  # what init.path gives stays as it is, beside this state
    check_vocabulary(init.path, learned, by_path(base[BASE]))
  if not init.path or base:
    return state
  source, player = start_of(init.path, objective), objective.players[-1]
  params, result = pretrained.partial_restore(
    init.path, state["params"][player], init.keep, which=best_or_latest(init.path), source=source
  )
  check_vocabulary(init.path, learned, result.taken)
  print(f"init: {len(result.taken)} leaves from {init.path}; {result}", flush=True)
  state["params"][player] = params
  if "ema" in state["extra"]:
    state["extra"]["ema"] = jax.tree.map(lambda x: x.copy(), state["params"])
  return state


def check_vocabulary(path: str, learned: Learned, taken: Iterable[str]) -> None:
  """Refuses rows of a vocabulary (leaves with an axis V) that stand for other tokens here.

  Raises:
    UserError: the run of `config.init.path` has another tokenizer.
  """
  other = load_learned(pathlib.Path(path))
  if other is None or other.text is None or learned.text is None:
    return
  if any("V" in axes.letters(name) for name in taken) and not _same(other.text, learned.text):
    raise UserError(
      f"config.init.path={path!r}: its vocabulary stands for other tokens than the one of "
      f"config.data.tokenizer; set it to \"file(path='{path}/{TOKENIZER}')\""
    )


def _same(one: Tokenizer, other: Tokenizer) -> bool:
  """Whether ids stand for the same; how the json of subwords is written does not matter."""
  first, second = dict(one.description()), dict(other.description())
  if "json" in first and "json" in second:
    first["json"], second["json"] = (json.loads(d["json"])["model"] for d in (first, second))
  return first == second


def with_base(
  objective: Objective,
  config: ConfigDict,
  batch: Batch,
  folder: pathlib.Path,
  mesh: Mesh,
  anew: bool = False,
) -> tuple[Objective, dict[str, Any]]:
  """The objective as it is trained and what its parameters hold beside the players', {} where
  `config.init.adapt` wants no adapters. What `init.path` gives to the model is the base.

  batch: an example, which may be of shapes. anew: the run has no checkpoint, and its base is chosen
    now and written down.

  Raises:
    UserError: the base is gone, is not what the run began with, or has no matrix to adapt.
  """
  lora = adaptations(config.init.adapt).lora
  if lora is None:
    return objective, {}
  pin = _choose(config) if anew else _pinned(config, folder)
  path, step = pin["path"], pin["step"]
  source = start_of(path, objective)
  shapes = jax.eval_shape(lambda batch: objective.init(jax.random.key(0), batch), batch)["model"]
  report = pretrained.fitting(path, shapes, config.init.keep, step, source)
  wanted = {name: leaf for name, leaf in by_path(shapes).items() if name in report.taken}
  example = axes.laid(nest(wanted), mesh)
  base, _, _ = pretrained.restore_params(path, example, step, source, whole=False)
  found = fingerprint(base)
  if found != pin.setdefault("fingerprint", found):
    raise UserError(
      f"{path}: step {step} is not the base that {folder} was trained on (its fingerprint is "
      f"{found}, not {pin['fingerprint']}); bring that one back"
    )
  sizes = {name: leaf.shape for name, leaf in wanted.items()}
  if anew:
    _write(folder / FILE, pin)
    print(
      f"init: {len(wanted)} leaves from {path}, step {step}, stay, with factors beside "
      f"{len(lora.adapted(sizes))} of them; {report}",
      flush=True,
    )
  return adapted(objective, lora, sizes), {BASE: base}


def _choose(config: ConfigDict) -> dict[str, Any]:
  path = config.init.path
  read_config(path)  # for its error
  step, _ = pretrained.read_metadata(path, best_or_latest(path))
  return {"path": str(pathlib.Path(path).absolute()), "step": step}


def _pinned(config: ConfigDict, folder: pathlib.Path) -> dict[str, Any]:
  """What base.json says; the base may also lie where `config.init.path` leads from here."""
  try:
    pin = json.loads((folder / FILE).read_text())
    first, _, _ = pin["path"], pin["step"], pin["fingerprint"]
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise UserError(f"{folder / FILE}: unreadable ({error}); it says what the base is") from None
  there = [
    path for path in (first, config.init.path) if (pathlib.Path(path) / "config.json").exists()
  ]
  if not there:
    raise UserError(
      f"{folder}: the base of its adapters, config.init.path={config.init.path!r}, is not there, "
      f"nor at {first}; bring it back"
    )
  return {**pin, "path": there[0]}


def _write(path: pathlib.Path, pin: dict[str, Any]) -> None:
  whole = path.with_suffix(".tmp")
  whole.write_text(json.dumps(pin, indent=2) + "\n")
  os.replace(whole, path)
