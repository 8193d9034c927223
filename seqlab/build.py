"""From a config to what runs: the only place where objectives and networks meet, and with the
commands the only one that reads a config.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, limits, networks, optim, schedules, spec
from seqlab.adapt import adaptations, mup
from seqlab.adapt.layerwise import Layers
from seqlab.batches import added_ids as added_ids
from seqlab.batches import arguments_of
from seqlab.batches import called as called
from seqlab.batches import example as example
from seqlab.batches import make_loader as make_loader
from seqlab.data.array_sources import gives_arrays
from seqlab.data.learned import Learned
from seqlab.data.loader import Loader
from seqlab.data.synthetic import choices, columns_of, gives_tasks, shows_answers
from seqlab.errors import UserError
from seqlab.heads import check_classes as check_classes
from seqlab.heads import head_of
from seqlab.objectives import OBJECTIVES
from seqlab.objectives.base import Objective
from seqlab.positions import positions
from seqlab.spec import make, parse
from seqlab.step import State, init_state

# The keys whose calls can be checked before there is a network, and what the builder adds to them.
CALLS: dict[str, tuple[Mapping[str, Callable], tuple[str, ...]]] = {
  "schedule": (schedules.SCHEDULES, ("steps",)),
  "optimizer": (optim.OPTIMIZERS, ()),
  "objective": (OBJECTIVES, ("network", "ids", "pad", "eot", "choices", "target_N", "target_NC")),
  "model.name": (networks.NETWORKS, ("config", "ends")),
}

# The networks that an objective can train; another would see what it is to tell, or lack a part.
NETWORKS = {
  "language_model": ("decoder",),
  "masked_language_model": ("encoder",),
  "prefix_language_model": ("prefix_decoder",),
  "sequence_to_sequence": ("encoder_decoder", "prefix_decoder"),
  "span_corruption": ("encoder_decoder", "prefix_decoder"),
  "classification": ("decoder", "encoder", "text_cnn", "dilated_cnn", "mlp", "cnn", "reader"),
  "multi_label_classification": ("decoder", "encoder", "dilated_cnn"),
  "regression": ("decoder", "encoder", "dilated_cnn", "reader"),
  "frames": ("reader",),
  "tagging": ("decoder", "encoder", "dilated_cnn"),
  "answers": ("decoder", "encoder", "compressor"),
  "autoencoding": ("autoencoder",),
  "variational": ("vae", "text_vae"),
  "adversarial": ("gan",),
  "sequence_adversarial": ("sequence_gan",),
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
    if call.kwargs.get("carry") and (why := positions(config)[1]):
      raise UserError(
        f"config.objective={config.objective!r}: positions grow without end when state is carried, "
        f"and {why}"
      )
  name, network = called(config, "objective").name, called(config, "model.name").name
  if network not in NETWORKS[name]:
    wanted = " or ".join(map(repr, NETWORKS[name]))
    raise UserError(f"config.model.name={config.model.name!r}: {name}() trains {wanted}")
  metric = config.checkpoint.metric
  if metric not in ("loss", *OBJECTIVES[name].ranked):
    raise UserError(f"config.checkpoint.metric={metric!r}: {name}() measures none; use 'loss'")
  arrays = gives_arrays(config.data.source)
  if (network in networks.OF_ARRAYS) != arrays:
    reads, gives = ("arrays", "text") if arrays is False else ("text", "arrays")
    raise UserError(
      f"config.model.name={config.model.name!r} reads {reads} and config.data.source="
      f"{config.data.source!r} gives {gives}"
    )
  task = gives_tasks(config.data.source)
  if task != (name == "answers"):
    gives = "a task, which answers() learns" if task else "no task, such as parity() or mqar()"
    raise UserError(
      f"config.objective={config.objective!r}: config.data.source={config.data.source!r} is {gives}"
    )
  if task:
    limits.check_of_a_task(config, columns_of(config.data.valid))
    if network == "encoder" and shows_answers(config.data.source):
      raise UserError(
        f"config.model.name={config.model.name!r} reads ahead, where config.data.source="
        f"{config.data.source!r} shows its answers; 'decoder' does not"
      )
  if network in networks.READS:
    limits.check_unread(config, network, networks.READS[network], arrays)
  game = isinstance(networks.make_network(config, networks.Ends()), networks.Pair)
  limits.check_adaptations(config, adaptations(config.init.adapt), is_stack(config), game)


def is_stack(config: ConfigDict) -> bool:
  """Whether the network is a stack of mixers."""
  return "mixer" in networks.READS.get(called(config, "model.name").name, ("mixer",))


def make_mesh(config: ConfigDict) -> Mesh:
  """The mesh over all devices, one where runs share a program, checked against its batch."""
  several = config.seeds > 1 or config.lrs
  mesh = axes.make_mesh(config.mesh, jax.devices()[:1] if several else None)
  limits.check_remat(config.model.remat, mesh.devices.flat[0])
  ways = mesh.shape["data"] * mesh.shape["fsdp"]
  rows = config.batch // config.accumulate
  if ways % jax.process_count():
    raise UserError(
      f"config.mesh: data and fsdp cut a batch into {ways} parts, which {jax.process_count()} "
      f"processes do not share evenly; the other axes are for devices of one process"
    )
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
  call, arguments = called(config, "objective"), arguments_of(config)
  labels = learned.labels if labels is None else labels
  head, told = head_of(call.name, arguments, learned, labels)
  if learned.text is not None:
    told |= dict(ids=learned.text.vocab, pad=learned.text.pad, eot=learned.text.eot)
  if call.name == "answers":
    told["choices"] = choices(config.data.source)
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
  vocab = learned.text.vocab if learned.text else 0
  ends = networks.Ends(vocab, added_ids(config), shape=shape, **head)
  network = networks.make_network(config, ends)
  told = {name: value for name, value in told.items() if name in arguments}
  return make(call, OBJECTIVES, "config.objective", network=network, **told)


def width_scales(config: ConfigDict, learned: Learned) -> dict[str, mup.Scale]:
  """How each leaf of the model is scaled with its width; {} where `config.init.adapt` asks for no
  such transfer.

  Raises:
    UserError: there is no network of the base's width.
  """
  transfer = adaptations(config.init.adapt).mup
  if transfer is None:
    return {}
  base = config.copy_and_resolve_references()
  base.model.width = transfer.base

  def shapes(config: ConfigDict) -> Any:
    init = make_objective(config, learned).init
    return jax.eval_shape(init, jax.random.key(0), example(config, learned, 1))["model"]

  try:
    narrow = shapes(base)
  except UserError as error:
    raise UserError(f"config.init.adapt={config.init.adapt!r}: at that width, {error}") from None
  return mup.scales(shapes(config), narrow)


def make_optimizers(
  config: ConfigDict,
  objective: Objective,
  steps_per_epoch: int,
  scales: Mapping[str, mup.Scale] | None = None,
  lr: Any = None,
) -> dict[str, optim.Optimizer]:
  """An optimizer for each player; `scales` of the model's leaves, by its width; `lr` where it is
  not the config's.
  """
  lr = config.lr if lr is None else lr
  schedule = schedules.make_schedule(config.schedule, lr, config.steps, steps_per_epoch)
  players = dict.fromkeys(objective.players)
  adapt = adaptations(config.init.adapt)
  layers = Layers(config.model.depth, len(parse(config.model.mixer)))
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
      layers=layers if player == objective.players[-1] else None,
      layer_decay=adapt.layer_decay,
      gradual=adapt.gradual,
      scales=scales,
    )
    for player in players
  }


@dataclasses.dataclass(frozen=True)
class Initial:
  """The training state before the first step: its shapes with shardings, and how to make that of a
  seed.
  """

  shapes: State
  make: Callable[[int], State]


def initial_state(
  config: ConfigDict,
  objective: Objective,
  optimizers: dict,
  loader: Loader,
  mesh: Mesh,
  scales: Mapping[str, mup.Scale] | None = None,
) -> Initial:
  """Initialised under jit straight into its shardings: no leaf is ever whole on one device."""
  batch = {name: rows[:1] for name, rows in loader(0).items()}
  objective = mup.begun(objective, scales or {})

  def fresh(key: jax.Array) -> State:
    return init_state(objective, optimizers, key, batch, config.batch, config.ema)

  shapes = jax.eval_shape(fresh, jax.random.key(0))
  players = shapes["params"]
  limits.check_selectors(config, players if len(players) > 1 else next(iter(players.values())))
  make = jax.jit(fresh, out_shardings=axes.sharding(shapes, mesh))
  return Initial(axes.laid(shapes, mesh), lambda seed: make(jax.random.key(seed)))
