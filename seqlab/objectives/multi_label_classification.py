"""Any number of classes for each sequence: binary cross entropy of each class, in nats for all
classes of a text.

The batch is that of `classification`; `label_B` numbers the labels of the data, each a set of
classes.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from seqlab.objectives.base import Batch, Metrics, Network, OfTexts


class MultiLabelClassification(OfTexts):
  """separator: what stands between the classes of a label. target_NC: 1 where class c is in label
  n.
  """

  def __init__(self, network: Network, target_NC: ArrayLike, separator: str = ";"):
    self.network, self.separator = network, separator
    self._target_NC = jnp.asarray(target_NC)

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    logits_BC = self.network(params[player], *self.inputs(batch), key=key)
    target_BC, weight_B = self._target_NC[batch["label_B"]], batch["weight_B"]
    # -log sigmoid of the logit, its sign turned where the class is not there.
    nll_B = jnp.sum(jax.nn.softplus(jnp.where(target_BC > 0, -logits_BC, logits_BC)), -1)
    right_B = jnp.all((logits_BC > 0) == (target_BC > 0), -1)
    total, weight = jnp.sum(nll_B * weight_B), jnp.sum(weight_B)
    metrics = {"loss": (total, weight), "exact_match": (jnp.sum(right_B * weight_B), weight)}
    return total / jnp.maximum(weight, 1.0), metrics, extra

  def predict(self, params: dict, batch: Batch) -> jax.Array:
    """The probability of each class, [B, C]."""
    return jax.nn.sigmoid(self.network(params["model"], *self.inputs(batch)))
