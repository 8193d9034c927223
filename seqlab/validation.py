"""What a run does between its steps with the validation set: its numbers, its pictures."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from seqlab import axes, build
from seqlab.data.rows import Data
from seqlab.evaluate import evaluate, report, rows_on
from seqlab.objectives.base import Objective
from seqlab.step import State


def validation(
  config: ConfigDict, objective: Objective, data: Data, mesh: Mesh, eval_step: Callable
) -> Callable[[State], dict[str, float]]:
  """A function from the state to the metrics of the validation set, by a jitted `eval_step`."""
  loader = build.make_loader(config, data, "valid", train=False)
  whole = not config.evaluate.batches or config.evaluate.batches >= loader.steps_per_epoch
  size = data.size("valid") if whole else None

  def validate(state: State) -> dict[str, float]:
    extra = objective.init_extra(config.batch)
    sums = evaluate(eval_step, used(state), loader, mesh, extra, config.evaluate.batches)
    return report(objective, sums, size)

  return validate


def picturing(
  config: ConfigDict, objective: Objective, data: Data, mesh: Mesh
) -> Callable[[State], dict[str, Any]]:
  """A function from the state to the objective's pictures of the validation set."""
  if not objective.pictured:
    return lambda state: {}
  rows = rows_on(mesh, objective.pictured)
  rows = -(-rows // jax.process_count()) * jax.process_count()
  loader = build.make_loader(config, data, "valid", train=False, batch=rows)
  batch = axes.put_batch(loader(0), mesh)
  draw = jax.jit(objective.pictures, out_shardings=NamedSharding(mesh, PartitionSpec()))

  def picture(state: State) -> dict[str, Any]:
    return jax.device_get(draw(used(state), batch, jax.random.key(config.seed)))

  return picture


def used(state: State) -> dict[str, Any]:
  """The parameters that are evaluated: their average, where it is kept."""
  return {**state["params"], **state["extra"].get("ema", {})}
