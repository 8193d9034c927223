"""From a config to what runs: the only place where objectives and networks meet, and with the
commands the only one that reads a config.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, limits, networks, optim, spec
from seqlab.data.corpus import Corpus
from seqlab.data.labels import class_sets, classes_of, number
from seqlab.data.learned import Learned
from seqlab.data.loader import ROWS, Loader
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.objectives import OBJECTIVES
from seqlab.objectives.base import Objective
from seqlab.spec import make, parse_one
from seqlab.step import State, init_state

# The keys whose calls can be checked before there is a network, and what the builder adds to them.
CALLS: dict[str, tuple[Mapping[str, Callable], tuple[str, ...]]] = {
  "schedule": (optim.SCHEDULES, ("steps",)),
  "optimizer": (optim.OPTIMIZERS, ()),
  "objective": (OBJECTIVES, ("network", "ids", "pad", "eot", "target_N", "target_NC")),
}

# The networks that an objective can train; another would see what it is to tell, or lack a part.
NETWORKS = {
  "language_model": ("decoder",),
  "masked_language_model": ("encoder",),
  "sequence_to_sequence": ("encoder_decoder",),
  "classification": ("decoder", "encoder"),
  "multi_label_classification": ("decoder", "encoder"),
  "regression": ("decoder", "encoder"),
  "tagging": ("decoder", "encoder"),
}

# What objectives want of a source besides text, and what gives it.
_COLUMN = "name the column with label=… in config.data.source"
WANTED = {
  "classification": ("classes", _COLUMN),
  "multi_label_classification": ("labels", _COLUMN),
  "regression": ("numbers", _COLUMN),
  "tagging": ("tags", "use conll(path=…) or entities() as config.data.source"),
}


def check(config: ConfigDict) -> None:
  """Refuses values that no part would, before any data is read."""
  limits.check(config)
  if config.batch % config.accumulate:
    raise UserError(
      f"config.accumulate={config.accumulate} does not divide config.batch={config.batch} into "
      f"microbatches"
    )
  for key, (members, given) in CALLS.items():
    call = parse_one(config[key], f"config.{key}")
    if call.name == "per_epoch":
      given = (*given, "steps_per_epoch")
    limits.check_arguments(key, call.name, spec.check(call, members, f"config.{key}", given))
    if call.kwargs.get("carry") and config.model.learned_positions:
      raise UserError(
        f"config.model.learned_positions=True with config.objective={config.objective!r}: "
        f"positions go beyond the table of config.length rows when state is carried"
      )
  name = parse_one(config.objective, "config.objective").name
  if config.model.name not in NETWORKS[name]:
    wanted = " or ".join(map(repr, NETWORKS[name]))
    raise UserError(f"config.model.name={config.model.name!r}: {name}() trains {wanted}")
  networks.make_layers(config)


def make_mesh(config: ConfigDict) -> Mesh:
  """The mesh over all devices, checked against the batch that it will hold."""
  mesh = axes.make_mesh(config.mesh)
  ways = mesh.shape["data"] * mesh.shape["fsdp"]
  rows = config.batch // config.accumulate
  if rows % ways:
    raise UserError(
      f"config.batch={config.batch} with config.accumulate={config.accumulate} gives {rows} rows "
      f"at once, which the {ways} devices along data and fsdp do not divide"
    )
  return mesh


def table(config: ConfigDict) -> dict[str, Any]:
  """The changes to the table of axes that the config asks for."""
  return limits.axes_of(config)


def make_objective(
  config: ConfigDict, corpus: Corpus | Learned, learned: Learned | None = None
) -> Objective:
  """The objective on its network, for the ids and labels of a corpus; where that is not what the
  network learned from, `learned` says the classes.
  """
  call = parse_one(config.objective, "config.objective")
  made = OBJECTIVES.get(call.name)
  asked = inspect.signature(made).parameters if made else {}
  arguments = {name: call.kwargs.get(name, asked[name].default) for name in asked}
  names = (learned or corpus).labels
  told: dict[str, Any] = dict(ids=corpus.vocab, pad=corpus.tokenizer.pad, eot=corpus.tokenizer.eot)
  head: dict[str, Any] = {}
  if call.name in WANTED:
    _check_labels(config, call.name, corpus)
  if call.name == "classification":
    head = dict(classes=len(names))
  elif call.name == "multi_label_classification":
    classes = classes_of(names, arguments["separator"])
    head = dict(classes=len(classes))
    told["target_NC"] = class_sets(corpus.labels, arguments["separator"], classes)
  elif call.name == "regression":
    head = dict(classes=1)
    told["target_N"] = np.array([number(name) for name in corpus.labels], np.float32)
  elif call.name == "tagging":
    head = dict(tags=len(names), crf=arguments["crf"])
  network = networks.make_network(config, corpus.vocab, **head)
  told = {name: value for name, value in told.items() if name in asked}
  return make(call, OBJECTIVES, "config.objective", network=network, **told)


def _check_labels(config: ConfigDict, name: str, corpus: Corpus | Learned) -> None:
  """Refuses a source that does not have what the objective of this name wants."""
  what, advice = WANTED[name]
  tagged, count = corpus.between is not None, len(corpus.labels)
  if count < 2 or tagged != (name == "tagging"):
    has = f"tags of words, no {what}" if tagged and name != "tagging" else f"{count} {what}"
    raise UserError(f"config.objective={config.objective!r}: the source has {has}; {advice}")


def example(config: ConfigDict, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
  """A batch of the objective's rows, as shapes."""
  shapes = dict(B=(rows,), BT=(rows, config.length), BS=(rows, config.length))

  def shape(name: str) -> jax.ShapeDtypeStruct:
    dtype = "float32" if name.startswith("weight") else "int32"
    return jax.ShapeDtypeStruct(shapes[axes.letters(name)], dtype)

  return {name: shape(name) for name in ROWS[rows_of(config)].names}


def rows_of(config: ConfigDict) -> str:
  """The rows that the objective reads."""
  call = parse_one(config.objective, "config.objective")
  return OBJECTIVES[call.name].rows or config.data.rows


def make_loader(
  config: ConfigDict, corpus: Corpus, split: str = "train", train: bool = True, batch: int = 0
) -> Loader:
  """Batches of a split for this process; in evaluation every label comes once.

  batch: rows at once, 0 for the config's; with carried state always the config's, since a row is
    then a lane that starts from nothing, and their number decides the result.
  """
  call = parse_one(config.objective, "config.objective")
  carry = call.kwargs.get("carry", False)
  batch = config.batch if carry or not batch else batch
  return Loader(
    corpus,
    split,
    length=config.length,
    batch=batch,
    seed=config.seed,
    rows=rows_of(config),
    order="lanes" if carry else "shuffled",
    train=train,
    process=jax.process_index(),
    processes=jax.process_count(),
  )


def make_optimizers(
  config: ConfigDict, objective: Objective, steps_per_epoch: int
) -> dict[str, optim.Optimizer]:
  """An optimizer for each player."""
  schedule = optim.make_schedule(config.schedule, config.lr, config.steps, steps_per_epoch)
  one = optim.make_optimizer(
    config.optimizer,
    schedule,
    clip=config.clip,
    decay=config.decay,
    decay_of=config.decay_of,
    rates=config.rates,
    freeze=config.init.freeze,
  )
  return dict.fromkeys(objective.players, one)


def check_selectors(config: ConfigDict, params: Any) -> None:
  """Refuses a selector that picks no parameter, and a freeze that leaves none to move."""
  names = list(by_path(params))
  selectors = {"decay_of": config.decay_of, "init.freeze": config.init.freeze}
  for i, (selector, _) in enumerate(config.rates):
    selectors[f"rates[{i}]"] = selector
  for key, selector in selectors.items():
    if selector and not any(axes.selects(selector, name) for name in names):
      raise UserError(f"config.{key}={selector!r} picks no parameter; there is {names[0]}, ...")
  if config.init.freeze and all(axes.selects(config.init.freeze, name) for name in names):
    raise UserError(f"config.init.freeze={config.init.freeze!r} picks all parameters: none moves")


@dataclasses.dataclass(frozen=True)
class Initial:
  """The training state before the first step: its shapes with shardings, and how to make it."""

  shapes: State
  make: Any


def initial_state(
  config: ConfigDict, objective: Objective, optimizers: dict, loader: Loader, mesh: Mesh
) -> Initial:
  """Initialised under jit straight into its shardings: no leaf is ever whole on one device."""
  batch = {name: rows[:1] for name, rows in loader(0).items()}

  def fresh(key: jax.Array) -> State:
    return init_state(objective, optimizers, key, batch, config.batch, config.ema)

  key = jax.random.key(config.seed)
  shapes = jax.eval_shape(fresh, key)
  for params in shapes["params"].values():
    check_selectors(config, params)
  shardings = axes.sharding(shapes, mesh)
  described = jax.tree.map(
    lambda s, where: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=where), shapes, shardings
  )
  return Initial(described, lambda: jax.jit(fresh, out_shardings=shardings)(key))
