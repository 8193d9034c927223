"""A target sequence given a source sequence, by teacher forcing, in nats per target token.

The batch holds rows of pairs: sources in `source_BS`, `source_pos_BS`, `source_pair_BS`, targets in
`tokens_BT`, `pos_BT`, `pair_BT`, `labels_BT`, `weight_BT`. Equal numbers of pairs belong together.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.ops.cross_entropy import chunked_cross_entropy


class SequenceToSequence(OnePlayer):
  """label_smoothing: share of the target spread evenly over the vocabulary (arXiv:1512.00567,
  section 7); the metric stays the plain cross entropy.
  """

  rows: ClassVar[str] = "pairs"
  counts: ClassVar[str] = "tokens"
  whole_text: bool = True
  writes: str = "targets"

  def __init__(self, network: Network, label_smoothing: float = 0.0):
    self.network, self.label_smoothing = network, label_smoothing

  def inputs(self, batch: Batch) -> tuple:
    source = batch["source_BS"], batch["source_pos_BS"], batch["source_pair_BS"]
    return *super().inputs(batch), None, batch["pair_BT"], source

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, labels_BT, weight_BT = params[player], batch["labels_BT"], batch["weight_BT"]
    x_BTD, _ = self.network(params, *self.inputs(batch), key=key)
    head_VD = self.network(params, method="unembedding")
    loss, nll = chunked_cross_entropy(x_BTD, head_VD, labels_BT, weight_BT)
    if self.label_smoothing:
      # Against the uniform distribution the label's logit gives way to the mean logit, linear in x.
      gap_BTD = head_VD[labels_BT] - head_VD.mean(0)
      gap_BT = jnp.sum(x_BTD.astype(jnp.float32) * gap_BTD, -1)
      loss += self.label_smoothing * jnp.sum(weight_BT * gap_BT)
    weight = jnp.sum(weight_BT)
    return loss / jnp.maximum(weight, 1.0), {"loss": (nll, weight)}, extra
