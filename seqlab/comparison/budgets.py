"""What an architecture costs, and the size at which it costs what another does."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from seqlab import build, leaves, model_flops, networks
from seqlab.data.learned import Learned
from seqlab.errors import UserError
from seqlab.models.network import Network
from seqlab.sizing import STACKS, check_stack, size, width_for, without_tables
from seqlab.spec import Call

WITHIN = 0.01  # of the budget, that an architecture may be off
# Hidden widths are multiples of the first of these that comes within a quarter of `WITHIN`.
TRIMS = (128, 32, 8, 1)


@dataclasses.dataclass(frozen=True)
class Costs:
  """Of training and of writing with one run.

  parameters: but for tables that ids are looked up in. flops: of the whole training, three forward
    passes a step, exact from the jaxpr. state: bytes that one sequence of config.length tokens
    holds, 0 for a network that has none. data: tokens that are read, or examples of arrays.
  """

  parameters: int
  flops: int
  state: int
  data: int


def costs(config: ConfigDict, learned: Learned) -> Costs:
  """What a run of a config costs; nothing is run."""
  rows = config.batch * config.steps
  return Costs(
    parameters(config, learned),
    training_flops(config, learned),
    state_bytes(config),
    rows if learned.shapes else rows * config.length,
  )


def parameters(config: ConfigDict, learned: Learned) -> int:
  """Parameters, tables of ids left out."""
  if build.called(config, "model.name").name in STACKS:
    return size(config)
  _, state, _ = _of_a_row(config, learned)
  return without_tables(state["params"])


def training_flops(config: ConfigDict, learned: Learned) -> int:
  """FLOPs of all steps."""
  return model_flops.of_step(*_of_a_row(config, learned)) * config.batch * config.steps


def _of_a_row(config: ConfigDict, learned: Learned) -> tuple[Any, dict, dict]:
  """(the objective; as shapes its parameters and what else its loss needs, a batch of one row)."""
  objective, row = build.make_objective(config, learned), build.example(config, learned, 1)
  state = dict(
    params=jax.eval_shape(lambda batch: objective.init(jax.random.key(0), batch), row),
    extra=jax.eval_shape(lambda: objective.init_extra(1)),
  )
  return objective, state, row


def state_bytes(config: ConfigDict) -> int:
  """Bytes of one sequence's state after config.length tokens; 0 of what is no decoder."""
  if build.called(config, "model.name").name != "decoder":
    return 0
  network = networks.make_network(config, networks.Ends(1))
  assert isinstance(network, Network)
  state = jax.eval_shape(lambda: network.init_state(1, config.length))
  return leaves.nbytes(state)


def fitted(config: ConfigDict, equal: str, wanted: float, learned: Learned) -> ConfigDict:
  """The config at the width, and the hidden width of its channel mixer, at which it costs what is
  wanted.

  Raises:
    UserError: it does not come within `WITHIN`, or its network's width is not in the config.
  """
  check_stack(config, f"--equal={equal}")
  if equal == "state" and (not wanted or build.called(config, "model.name").name != "decoder"):
    raise UserError(
      f"config.model.name={config.model.name!r}: --equal=state compares decoders, which hold one"
    )

  def measure(config: ConfigDict) -> float:
    if equal == "parameters":
      return size(config)
    return state_bytes(config) if equal == "state" else training_flops(config, learned)

  config = config.copy_and_resolve_references()
  config.model.width, found = width_for(config, wanted, measure)
  if found != wanted:
    config = _trimmed(config, measure, wanted)
    found = measure(config)
  if abs(found / wanted - 1) > WITHIN:
    raise UserError(
      f"--equal={equal}: {found:,.0f} at config.model.width={config.model.width} is the nearest to "
      f"{wanted:,.0f}, {100 * (found / wanted - 1):+.1f}%; another config.model.depth than "
      f"{config.model.depth} may come within {100 * WITHIN:.0f}%"
    )
  return config


def _trimmed(
  config: ConfigDict, measure: Callable[[ConfigDict], float], wanted: float
) -> ConfigDict:
  """The config with the hidden width that brings its measure, linear in it, to what is wanted; as
  it is where it has no such width, or that decides nothing.
  """
  call = build.called(config, "model.mlp")
  if call.name not in ("gated", "plain"):
    return config

  def at(hidden: int) -> ConfigDict:
    tried = config.copy_and_resolve_references()
    tried.model.mlp = str(Call(call.name, {**call.kwargs, "hidden": hidden}))
    return tried

  narrow, wide = config.model.width, 2 * config.model.width
  low, high = measure(at(narrow)), measure(at(wide))
  each = (high - low) / (wide - narrow)
  if not each:
    return config
  exact = narrow + (wanted - low) / each
  for step in TRIMS:
    hidden = step * round(exact / step)
    if hidden > 0 and abs(hidden - exact) * each < WITHIN / 4 * wanted:
      return at(hidden)
  return config
