"""From a config to what runs: the only place where objectives and networks meet, and with the
commands the only one that reads a config.
"""

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, limits, optim, spec
from seqlab.data.corpus import Corpus
from seqlab.data.learned import Learned
from seqlab.data.loader import Loader
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.layers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.objectives import OBJECTIVES
from seqlab.objectives.base import Objective
from seqlab.spec import Call, make, parse, parse_one
from seqlab.step import State, init_state

# The keys whose calls can be checked before there is a network, and what the builder adds to them.
CALLS: dict[str, tuple[Mapping[str, Callable], tuple[str, ...]]] = {
  "schedule": (optim.SCHEDULES, ("steps",)),
  "optimizer": (optim.OPTIMIZERS, ()),
  "objective": (OBJECTIVES, ("network",)),
}


def load_plugins(files: Iterable[str]) -> None:
  """Runs Python files of the user's, which register mixers (`MIXERS["mine"] = Mine`).

  Raises:
    UserError: a file is missing or fails.
  """
  for number, file in enumerate(files):
    name = f"seqlab_plugin_{number}"
    found = importlib.util.spec_from_file_location(name, file)
    try:
      if found is None or found.loader is None or not os.path.isfile(file):
        raise FileNotFoundError("no such Python file")
      # dataclasses look a module up here when its annotations are text
      sys.modules[name] = importlib.util.module_from_spec(found)
      found.loader.exec_module(sys.modules[name])
    except (Exception, SystemExit) as error:
      raise UserError(
        f"config.plugins: {file} fails with {type(error).__name__}: {error}"
      ) from None


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
  make_layers(config)


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


def make_layers(config: ConfigDict) -> tuple[Layer, ...]:
  """The pattern of blocks that the depth repeats, its parts checked against the width."""
  load_plugins(config.plugins)
  model = config.model

  def part(call: Call, members: Mapping[str, Callable], key: str) -> Any:
    made = make(call, members, key)
    try:
      if hasattr(made, "check"):
        made.check(model.width)
    except UserError as error:
      raise UserError(f"{key}: {call.name}(): {error}") from None
    return made

  mlp = part(parse_one(model.mlp, "config.model.mlp"), CHANNEL_MIXERS, "config.model.mlp")
  calls = parse(model.mixer, "config.model.mixer")
  if len(calls) > model.depth:
    raise UserError(
      f"config.model.depth={model.depth}: the pattern of config.model.mixer has {len(calls)} "
      f"mixers, of which the last would be dropped; {len(calls)} or more is wanted"
    )
  mixers = [part(call, MIXERS, "config.model.mixer") for call in calls]
  return tuple(Layer(mixer, mlp, model.norm, model.dropout) for mixer in mixers)


def make_network(config: ConfigDict, vocab: int, classes: int = 0) -> Network:
  """The network for `vocab` token ids, with a head over `classes` where there are any."""
  model = config.model
  if model.vocab and model.vocab < vocab:
    raise UserError(
      f"config.model.vocab={model.vocab}: the tokenizer has {vocab} ids; set it to {vocab} "
      f"or more, or 0"
    )
  decoder = Decoder(
    vocab=model.vocab or vocab,
    width=model.width,
    depth=model.depth,
    layers=make_layers(config),
    norm=model.norm,
    length=config.length if model.learned_positions else 0,
    tied=model.tied,
    dropout=model.dropout,
    dtype=model.dtype,
    remat=model.remat,
    unroll=model.unroll,
  )
  return Network(Classifier(decoder, classes, model.pool) if classes else decoder)


def make_objective(config: ConfigDict, corpus: Corpus | Learned) -> Objective:
  """The objective on its network, for the ids and classes of a corpus."""
  call = parse_one(config.objective, "config.objective")
  classes = 0
  if call.name == "classification":
    classes = len(corpus.labels)
    if classes < 2:
      raise UserError(
        f"config.objective={config.objective!r}: the source has {classes} classes; name the column "
        f"with label=… in config.data.source"
      )
  network = make_network(config, corpus.vocab, classes)
  return make(call, OBJECTIVES, "config.objective", network=network)


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
    rows="examples" if call.name == "classification" else config.data.rows,
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
