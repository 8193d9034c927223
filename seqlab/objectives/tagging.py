"""A tag for each word, in nats per tag: cross entropy, or the likelihood of the whole chain of tags
under a CRF.

The batch holds `tokens_BT`, `pos_BT`, `tag_BT` and `weight_BT` (1 on the tokens that have a tag).
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer
from seqlab.ops.crf import FORBIDDEN, crf_nll, viterbi
from seqlab.ops.cross_entropy import cross_entropy


class Tagging(OnePlayer):
  """crf: the loss is that of the whole chain (arXiv:1603.01360, section 2.2), else of each tag
  alone. Either way the accuracy is of the best chain.
  """

  rows: ClassVar[str] = "tagged"
  counts: ClassVar[str] = "tags"
  ranked: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
  whole_text: bool = False

  def __init__(self, network: Network, crf: bool = True):
    self.network, self.crf = network, crf

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, tag_BT, weight_BT = params[player], batch["tag_BT"], batch["weight_BT"]
    emission_BTC = self.network(params, *self.inputs(batch), key=key)
    transition_CC, start_C, end_C = self.network(params, method="chain")
    chain = emission_BTC, transition_CC, start_C, end_C, weight_BT > 0
    if self.crf:
      nll = jnp.sum(crf_nll(*chain, tag_BT))
    else:
      nll = jnp.sum(cross_entropy(emission_BTC, tag_BT)[0] * weight_BT)
    found_BT, _ = viterbi(*chain)
    weight, correct = jnp.sum(weight_BT), jnp.sum((found_BT == tag_BT) * weight_BT)
    scalar = nll / jnp.maximum(weight, 1.0)
    return scalar, {"loss": (nll, weight), "accuracy": (correct, weight)}, extra

  def predict(
    self, params: dict, batch: Batch, follow_CC: ArrayLike, first_C: ArrayLike
  ) -> jax.Array:
    """The best chain of those that the scheme allows, int32 [B, T]; `follow_CC` and `first_C` say
    what may follow what and what may begin.
    """
    params = params["model"]
    emission_BTC = self.network(params, *self.inputs(batch))
    transition_CC, start_C, end_C = self.network(params, method="chain")
    transition_CC = jnp.where(follow_CC, transition_CC, FORBIDDEN)
    start_C = jnp.where(first_C, start_C, FORBIDDEN)
    return viterbi(emission_BTC, transition_CC, start_C, end_C, batch["weight_BT"] > 0)[0]
