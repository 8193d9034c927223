"""The next frame of a series of yes-or-no numbers, such as the keys that sound in music, by
Bernoulli's law for each: nats a frame (Boulanger-Lewandowski 2012, arXiv:1206.6392).

The batch holds `x_BTD` from 0 to 1, `weight_BT`, 1 at the frames that are told from those before
them, and `weight_B`.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.ops.cross_entropy import binary_cross_entropy


class Frames(OnePlayer):
  """`accuracy` is the share of right keys among those that sound or are told to (Bay 2009)."""

  rows: ClassVar[str] = "arrays"
  counts: ClassVar[str] = "frames"
  ranked: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
  whole_text: bool = False

  def __init__(self, network: Network):
    self.network = network

  def inputs(self, batch: Batch) -> tuple:
    return (batch["x_BTD"],)

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    logits_BTD = self.network(params[player], *self.inputs(batch), key=key)[:, :-1]
    x_BTD, weight_BT = batch["x_BTD"][:, 1:], batch["weight_BT"][:, 1:]
    weight_BT = weight_BT * batch["weight_B"][:, None]
    nll_BT = jnp.sum(binary_cross_entropy(logits_BTD, x_BTD), -1)
    total, weight = jnp.sum(nll_BT * weight_BT), jnp.sum(weight_BT)
    told_BTD, sounds_BTD = logits_BTD > 0, x_BTD > 0.5
    right, either = (
      jnp.sum(which_BTD.sum(-1) * weight_BT)
      for which_BTD in (told_BTD & sounds_BTD, told_BTD | sounds_BTD)
    )
    metrics = {"loss": (total, weight), "accuracy": (right, either)}
    return total / jnp.maximum(weight, 1.0), metrics, extra
