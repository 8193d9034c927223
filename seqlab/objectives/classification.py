"""One class for each sequence or array: cross entropy in nats and accuracy.

The batch holds `tokens_BT`, `pos_BT` and `weight_BT` (1 on tokens of the text), or an array; and
`label_B` and `weight_B` (0 for the rows that fill up the last batch of an evaluation).
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network, OfTexts
from seqlab.ops.cross_entropy import cross_entropy


class Classification(OfTexts):
  """label_smoothing: share of the target spread evenly over the classes (arXiv:1512.00567, section
  7).
  """

  ranked: ClassVar[tuple[str, ...]] = ("loss", "accuracy")

  def __init__(self, network: Network, label_smoothing: float = 0.0):
    self.network, self.label_smoothing = network, label_smoothing

  def predict(self, params: dict, batch: Batch) -> jax.Array:
    """The probabilities of the classes, [B, C]."""
    return jax.nn.softmax(self.network(params["model"], *self.inputs(batch)))

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    logits_BC = self.network(params[player], *self.inputs(batch), key=key)
    label_B, weight_B = batch["label_B"], batch["weight_B"]
    nll_B, lse_B = cross_entropy(logits_BC, label_B)
    smooth_B = lse_B - logits_BC.mean(-1)  # cross entropy against the uniform distribution
    target_B = (1 - self.label_smoothing) * nll_B + self.label_smoothing * smooth_B
    weight = jnp.sum(weight_B)
    scalar = jnp.sum(target_B * weight_B) / jnp.maximum(weight, 1.0)
    correct_B = (logits_BC.argmax(-1) == label_B) * weight_B
    return (
      scalar,
      {"loss": (jnp.sum(nll_B * weight_B), weight), "accuracy": (jnp.sum(correct_B), weight)},
      extra,
    )
