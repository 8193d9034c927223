"""Answers told at some places of a row, as synthetic tasks ask for them: cross entropy in nats an
answer, and how many are right.

The batch holds `tokens_BT` and `pos_BT`; `at_BA`, the columns at which answers are told;
`answer_BA`, their ids; `weight_BA`, 0 where there is none. Scores are made at those columns alone.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.ops.cross_entropy import cross_entropy


class Answers(OnePlayer):
  """choices: how many answers there are to choose from. `accuracy` is the share of answers that are
  right, `scaled_accuracy` is 0 for guessing and 1 for all right (Beck 2024, arXiv:2405.04517,
  appendix D.1), `whole_accuracy` the share of rows with no wrong answer.
  """

  rows: ClassVar[str] = "answers"
  counts: ClassVar[str] = "answers"
  ranked: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
  whole_text: bool = False

  def __init__(self, network: Network, choices: int):
    self.network, self._choices = network, choices

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    x_BTD, _ = self.network(params[player], *self.inputs(batch), key=key)
    x_BAD = jnp.take_along_axis(x_BTD, batch["at_BA"][..., None], 1)
    logits_BAV = self.network(params[player], x_BAD, method="logits")
    nll_BA, _ = cross_entropy(logits_BAV, batch["answer_BA"])
    weight_BA = batch["weight_BA"]
    right_BA = (logits_BAV.argmax(-1) == batch["answer_BA"]).astype(jnp.float32)
    chance = 1 / self._choices
    some_B = jnp.max(weight_BA, 1)
    whole_B = jnp.min(jnp.where(weight_BA > 0, right_BA, 1), 1)
    nll, weight = jnp.sum(nll_BA * weight_BA), jnp.sum(weight_BA)
    right = jnp.sum(right_BA * weight_BA)
    metrics = {
      "loss": (nll, weight),
      "accuracy": (right, weight),
      "scaled_accuracy": ((right - chance * weight) / (1 - chance), weight),
      "whole_accuracy": (jnp.sum(whole_B * some_B), jnp.sum(some_B)),
    }
    return nll / jnp.maximum(weight, 1.0), metrics, extra
