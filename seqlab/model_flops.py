"""FLOPs that a model has a training step take, whatever a program computes besides."""

from typing import Any

import jax

from seqlab import flops
from seqlab.objectives.base import Objective
from seqlab.ops.backend import reference_forms


def of_step(objective: Objective, state: Any, batch: Any) -> int:
  """Three times the forward products of every turn, as a backward pass has two for each of them.
  state, batch: whole, and as shapes.
  """
  extra = {name: x for name, x in state["extra"].items() if name != "ema"}

  def loss(player: str, params: Any, batch: Any) -> jax.Array:
    return objective.loss(player, params, batch, jax.random.key(0), extra)[0]

  with reference_forms():
    return 3 * sum(
      flops.count(lambda *of, player=player: loss(player, *of), state["params"], batch).products
      for player in objective.players
    )
