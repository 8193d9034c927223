"""From a config to what runs: the only place where objectives and networks meet, and with the
commands the only one that reads a config.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, limits, networks, optim, spec
from seqlab.data.array_sources import gives_arrays
from seqlab.data.learned import Learned
from seqlab.data.loader import Loader
from seqlab.data.rows import ROWS, Data
from seqlab.errors import UserError
from seqlab.heads import head_of
from seqlab.leaves import by_path
from seqlab.objectives import OBJECTIVES
from seqlab.objectives.base import Objective
from seqlab.spec import Call, make, parse_one
from seqlab.step import State, init_state

# The keys whose calls can be checked before there is a network, and what the builder adds to them.
CALLS: dict[str, tuple[Mapping[str, Callable], tuple[str, ...]]] = {
  "schedule": (optim.SCHEDULES, ("steps",)),
  "optimizer": (optim.OPTIMIZERS, ()),
  "objective": (OBJECTIVES, ("network", "ids", "pad", "eot", "target_N", "target_NC")),
  "model.name": (networks.NETWORKS, ("config", "ends")),
}

# The networks that an objective can train; another would see what it is to tell, or lack a part.
NETWORKS = {
  "language_model": ("decoder",),
  "masked_language_model": ("encoder",),
  "sequence_to_sequence": ("encoder_decoder",),
  "classification": ("decoder", "encoder", "text_cnn", "dilated_cnn", "mlp", "cnn"),
  "multi_label_classification": ("decoder", "encoder", "dilated_cnn"),
  "regression": ("decoder", "encoder", "dilated_cnn"),
  "tagging": ("decoder", "encoder", "dilated_cnn"),
  "autoencoding": ("autoencoder",),
  "variational": ("vae", "text_vae"),
  "adversarial": ("gan",),
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
    call = called(config, key)
    if call.name == "per_epoch":
      given = (*given, "steps_per_epoch")
    limits.check_arguments(key, call.name, spec.check(call, members, f"config.{key}", given))
    if call.kwargs.get("carry") and config.model.learned_positions:
      raise UserError(
        f"config.model.learned_positions=True with config.objective={config.objective!r}: "
        f"positions go beyond the table of config.length rows when state is carried"
      )
  name, network = called(config, "objective").name, called(config, "model.name").name
  if network not in NETWORKS[name]:
    wanted = " or ".join(map(repr, NETWORKS[name]))
    raise UserError(f"config.model.name={config.model.name!r}: {name}() trains {wanted}")
  arrays = gives_arrays(config.data.source)
  if (network in networks.OF_ARRAYS) != arrays:
    reads, gives = ("arrays", "text") if arrays is False else ("text", "arrays")
    raise UserError(
      f"config.model.name={config.model.name!r} reads {reads} and config.data.source="
      f"{config.data.source!r} gives {gives}"
    )
  if network in networks.READS:
    limits.check_unread(config, network, networks.READS[network], arrays)
  networks.make_network(config, networks.Ends())


def called(config: ConfigDict, key: str) -> Call:
  """The call that a key holds."""
  value = config
  for part in key.split("."):
    value = value[part]
  return parse_one(value, f"config.{key}")


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
  config: ConfigDict, learned: Learned, labels: Sequence[str] | None = None
) -> Objective:
  """The objective on its network, for the ids, classes or arrays that were learned; `labels` are
  the names that `label_B` numbers in the data, where they are not those that were learned.
  """
  call = called(config, "objective")
  made = OBJECTIVES.get(call.name)
  asked = inspect.signature(made).parameters if made else {}
  arguments = {name: call.kwargs.get(name, asked[name].default) for name in asked}
  labels = learned.labels if labels is None else labels
  head, told = head_of(call.name, arguments, learned, labels)
  if learned.text is not None:
    told |= dict(ids=learned.text.vocab, pad=learned.text.pad, eot=learned.text.eot)
  shape = next((s for name, s in learned.shapes.items() if name != "label_B"), ())
  if (
    shape
    and len(shape) == 1
    and (call.name == "variational" or arguments.get("loss") == "bernoulli")
  ):
    raise UserError(
      f"config.objective={config.objective!r} tells pixels from 0 to 1; config.data.source="
      f"{config.data.source!r} gives points"
    )
  ends = networks.Ends(learned.text.vocab if learned.text else 0, shape=shape, **head)
  network = networks.make_network(config, ends)
  told = {name: value for name, value in told.items() if name in asked}
  return make(call, OBJECTIVES, "config.objective", network=network, **told)


def example(config: ConfigDict, learned: Learned, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
  """A batch of the objective's rows, as shapes."""
  if learned.shapes:
    given = {**learned.shapes, "weight_B": ()}
    return {
      name: jax.ShapeDtypeStruct((rows, *shape), "int32" if name == "label_B" else "float32")
      for name, shape in given.items()
    }
  shapes = dict(B=(rows,), BT=(rows, config.length), BS=(rows, config.length))

  def shape(name: str) -> jax.ShapeDtypeStruct:
    dtype = "float32" if name.startswith("weight") else "int32"
    return jax.ShapeDtypeStruct(shapes[axes.letters(name)], dtype)

  return {name: shape(name) for name in ROWS[rows_of(config)].names}


def rows_of(config: ConfigDict) -> str:
  """The rows that the objective reads; one pair in each for a network without attention."""
  if gives_arrays(config.data.source):
    return "arrays"
  rows = OBJECTIVES[called(config, "objective").name].rows or config.data.rows
  alone = called(config, "model.name").kwargs.get("attention") == "none"
  return "one_pair" if rows == "pairs" and alone else rows


def make_loader(
  config: ConfigDict, data: Data, split: str = "train", train: bool = True, batch: int = 0
) -> Loader:
  """Batches of a split for this process; in evaluation every label comes once.

  batch: rows at once, 0 for the config's; with carried state always the config's, since a row is
    then a lane that starts from nothing, and their number decides the result.
  """
  call = called(config, "objective")
  carry = call.kwargs.get("carry", False)
  batch = config.batch if carry or not batch else batch
  return Loader(
    data,
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
  players = dict.fromkeys(objective.players)
  return {
    player: optim.make_optimizer(
      config.optimizer,
      schedule,
      clip=config.clip,
      decay=config.decay,
      decay_of=config.decay_of,
      rates=config.rates,
      freeze=config.init.freeze,
      player=player if len(players) > 1 else "",
    )
    for player in players
  }


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
  players = shapes["params"]
  check_selectors(config, players if len(players) > 1 else next(iter(players.values())))
  shardings = axes.sharding(shapes, mesh)
  described = jax.tree.map(
    lambda s, where: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=where), shapes, shardings
  )
  return Initial(described, lambda: jax.jit(fresh, out_shardings=shardings)(key))
