"""A target sequence given a source sequence, by teacher forcing, in nats per target token.

The batch holds rows of pairs: sources in `source_BS`, `source_pos_BS`, `source_pair_BS`, targets in
`tokens_BT`, `pos_BT`, `pair_BT`, `labels_BT`, `weight_BT`. Equal numbers of pairs belong together.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network
from seqlab.ops.cross_entropy import chunked_cross_entropy


class SequenceToSequence:
  """label_smoothing: share of the target spread evenly over the vocabulary (arXiv:1512.00567,
  section 7); the metric stays the plain cross entropy.
  """

  players: ClassVar[tuple[str, ...]] = ("model",)
  rows: ClassVar[str] = "pairs"
  counts: ClassVar[str] = "tokens"
  whole_text: ClassVar[bool] = True

  def __init__(self, network: Network, label_smoothing: float = 0.0):
    self.network, self.label_smoothing = network, label_smoothing

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    return {"model": self.network.init(key, *_inputs(batch))}

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    return {}

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, labels_BT, weight_BT = params[player], batch["labels_BT"], batch["weight_BT"]
    x_BTD, _ = self.network(params, *_inputs(batch), key=key)
    head_VD = self.network(params, method="unembedding")
    loss, nll = chunked_cross_entropy(x_BTD, head_VD, labels_BT, weight_BT)
    if self.label_smoothing:
      # Against the uniform distribution the label's logit gives way to the mean logit, linear in x.
      gap_BTD = head_VD[labels_BT] - head_VD.mean(0)
      gap_BT = jnp.sum(x_BTD.astype(jnp.float32) * gap_BTD, -1)
      loss += self.label_smoothing * jnp.sum(weight_BT * gap_BT)
    weight = jnp.sum(weight_BT)
    return loss / jnp.maximum(weight, 1.0), {"loss": (nll, weight)}, extra


def _inputs(batch: Batch) -> tuple:
  source = batch["source_BS"], batch["source_pos_BS"], batch["source_pair_BS"]
  return batch["tokens_BT"], batch["pos_BT"], None, batch["pair_BT"], source
