"""Next-token prediction in nats per token.

The batch holds `tokens_BT`, `pos_BT`, `labels_BT` (the token after each) and `weight_BT` (0 where
there is no label). Documents begin with the end-of-text token, so every label is a real one and
none crosses into text that the mixer could not see.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.ops.cross_entropy import chunked_cross_entropy


class LanguageModel(OnePlayer):
  """z_loss: weight of log(Z)^2 (PaLM, arXiv:2204.02311, section 5), which keeps the logits from
  drifting.

  carry: the mixers' state goes on from window to window (truncated back-propagation through time);
    the loader then gives each row the continuation of its stream. memory: tokens that attention's
    caches keep.
  """

  counts: ClassVar[str] = "tokens"
  whole_text: bool = True
  writes: str = "continuations"

  def __init__(self, network: Network, z_loss: float = 0.0, carry: bool = False, memory: int = 0):
    self.network, self.z_loss, self.carry, self.memory = network, z_loss, carry, memory

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    return {"carry": self.network.init_state(batch_size, self.memory)} if self.carry else {}

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, state = params[player], extra.get("carry")
    x_BTD, state = self.network(params, batch["tokens_BT"], batch["pos_BT"], state, key=key)
    head_VD = self.network(params, method="unembedding")
    loss, nll = chunked_cross_entropy(
      x_BTD, head_VD, batch["labels_BT"], batch["weight_BT"], z_loss=self.z_loss
    )
    weight = jnp.sum(batch["weight_BT"])
    scalar = loss / jnp.maximum(weight, 1.0)
    extra = {**extra, "carry": jax.lax.stop_gradient(state)} if self.carry else extra
    return scalar, {"loss": (nll, weight)}, extra
