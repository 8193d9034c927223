"""A number for each sequence or array: squared error.

The batch is that of `classification`; `label_B` numbers the labels of the data, each a number, or
`target_B` is the number itself.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from seqlab.objectives.base import Batch, Metrics, Network, OfTexts


class Regression(OfTexts):
  """target_N: the number that label n is, as it stands in the data, where it has labels: numbers
  around 1 are learned best.
  """

  def __init__(self, network: Network, target_N: ArrayLike = 0.0):
    self.network, self._target_N = network, jnp.asarray(target_N)

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    found_B = self.network(params[player], *self.inputs(batch), key=key)[:, 0]
    told = "target_B" in batch
    target_B = batch["target_B"] if told else self._target_N[batch["label_B"]]
    error_B = jnp.square(found_B - target_B)
    weight = jnp.sum(batch["weight_B"])
    total = jnp.sum(error_B * batch["weight_B"])
    return total / jnp.maximum(weight, 1.0), {"loss": (total, weight)}, extra

  def predict(self, params: dict, batch: Batch) -> jax.Array:
    """The number, [B]."""
    return self.network(params["model"], *self.inputs(batch))[:, 0]
