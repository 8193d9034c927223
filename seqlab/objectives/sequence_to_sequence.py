"""A target sequence given a source sequence, in nats per target token, by teacher forcing: every
token is told from the true ones before it, or, where `teacher_forcing` is below 1, from some that
the network would have written in their places.

The batch holds rows of pairs: sources in `source_BS`, `source_pos_BS`, `source_pair_BS`, targets in
`tokens_BT`, `pos_BT`, `pair_BT`, `labels_BT`, `weight_BT`. Equal numbers of pairs belong together.
Or each source stands in front of its target in `tokens_BT`, `pos_BT`, and `prefix_BT` tells it.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from seqlab.errors import UserError
from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.objectives.ramp import Ramp
from seqlab.ops.cross_entropy import chunked_cross_entropy, likeliest


class SequenceToSequence(OnePlayer):
  """label_smoothing: share of the target spread evenly over the vocabulary (arXiv:1512.00567,
  section 7); the metric stays the plain cross entropy.

  teacher_forcing: probability with which the network reads the true token in training (scheduled
  sampling, arXiv:1506.03099), to which it falls from 1 over `warmup` steps. What it reads else is
  the likeliest token after the true ones before: a pass without gradient or dropout says it for all
  times at once, and the pass that learns reads it (arXiv:1906.04331; 1906.07651). In evaluation all
  are true. ids: how many of the vocabulary a text may have; 0 for all.
  """

  rows: ClassVar[str] = "pairs"
  counts: ClassVar[str] = "tokens"
  whole_text: bool = True
  writes: str = "targets"

  def __init__(
    self,
    network: Network,
    label_smoothing: float = 0.0,
    teacher_forcing: float = 1.0,
    warmup: int = 0,
    ids: int = 0,
  ):
    if warmup and teacher_forcing == 1:
      raise UserError(
        f"config.objective: warmup={warmup} of sequence_to_sequence() leads to teacher_forcing=1, "
        f"which is what it begins with; give a lower teacher_forcing"
      )
    self.network, self.label_smoothing = network, label_smoothing
    self.teacher_forcing, self.ids = teacher_forcing, ids
    self._fall = Ramp(warmup)

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    return self._fall.init_extra()

  def inputs(self, batch: Batch) -> tuple:
    if "prefix_BT" in batch:
      return *super().inputs(batch), None, batch["prefix_BT"]
    source = batch["source_BS"], batch["source_pos_BS"], batch["source_pair_BS"]
    return *super().inputs(batch), None, batch["pair_BT"], source

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, labels_BT, weight_BT = params[player], batch["labels_BT"], batch["weight_BT"]
    if self.teacher_forcing < 1 and key is not None:
      key, draw = jax.random.split(key)
      batch, extra = self._written(params, batch, draw, extra)
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

  def _written(self, params: dict, batch: Batch, key: jax.Array, extra: dict) -> tuple[Batch, dict]:
    """The batch with some tokens of the targets as the network would write them."""
    tokens_BT, params = batch["tokens_BT"], jax.lax.stop_gradient(params)
    fallen, extra = self._fall.turn(extra)
    rate = 1 - (1 - jnp.float32(self.teacher_forcing)) * fallen
    x_BTD, _ = self.network(params, *self.inputs(batch))
    head_VD = self.network(params, method="unembedding")[: self.ids or None]
    said_BT = likeliest(x_BTD, head_VD)
    # A token that was to be told one place before: no end-of-text, source or padding.
    told_BT = jnp.roll(batch["weight_BT"], 1, 1) * (batch["pos_BT"] > 0) > 0
    replaced_BT = told_BT & (jax.random.uniform(key, tokens_BT.shape) >= rate)
    tokens_BT = jnp.where(replaced_BT, jnp.roll(said_BT, 1, 1), tokens_BT)
    return {**batch, "tokens_BT": tokens_BT}, extra
