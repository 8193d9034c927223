"""Tokens that were hidden, from the text on both sides (BERT, arXiv:1810.04805, section 3.1), in
nats per hidden token.

The batch holds `tokens_BT`, `pos_BT` and `weight_BT`, and `begins_BT` where whole words are hidden.
Of the tokens of the text a share is chosen; 80% of the chosen are replaced by the padding id, which
comes from no text, 10% by any id, and 10% stay.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer, content
from seqlab.ops.cross_entropy import chunked_cross_entropy


class MaskedLanguageModel(OnePlayer):
  """rate: share of the tokens that is to be told. words: all tokens of a word, or none
  (arXiv:1906.08101). ids: of the vocabulary, of which `pad` hides and `eot` is never hidden.
  """

  counts: ClassVar[str] = "hidden tokens"
  whole_text: bool = False

  def __init__(
    self,
    network: Network,
    ids: int,
    pad: int,
    eot: int,
    rate: float = 0.15,
    words: bool = False,
  ):
    self.network, self.rate, self.words = network, rate, words
    self.ids, self.pad, self.eot = ids, pad, eot

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, tokens_BT = params[player], batch["tokens_BT"]
    text_BT = (batch["weight_BT"] > 0) & (tokens_BT != self.eot)
    begins_BT = batch["begins_BT"] if self.words else None
    shown_BT, chosen_BT = hide(tokens_BT, text_BT, key, self.rate, self.ids, self.pad, begins_BT)
    x_BTD, _ = self.network(params, shown_BT, batch["pos_BT"], key=key)
    head_VD = self.network(params, method="unembedding")
    weight_BT = chosen_BT.astype(jnp.float32)
    loss, nll = chunked_cross_entropy(x_BTD, head_VD, tokens_BT, weight_BT)
    weight = jnp.sum(weight_BT)
    return loss / jnp.maximum(weight, 1.0), {"loss": (nll, weight)}, extra


def hide(
  tokens_BT: jax.Array,
  text_BT: jax.Array,
  key: jax.Array | None,
  rate: float,
  ids: int,
  pad: int,
  begins_BT: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
  """(the tokens as the network sees them, which of them it is to tell). Where it is known which
  tokens begin a word, those of a word go the same way: hidden, replaced or left.

  Without a key, in evaluation, a row's own tokens decide what is hidden in it, so that the result
  does not depend on the batch around it.
  """
  seed = jax.random.key(0) if key is None else key

  def row(seed: jax.Array, number: jax.Array) -> tuple[jax.Array, ...]:
    keys = jax.random.split(jax.random.fold_in(seed, number), 3)
    uniform = (jax.random.uniform(key, tokens_BT.shape[1:]) for key in keys[:2])
    return *uniform, jax.random.randint(keys[2], tokens_BT.shape[1:], 0, ids)

  number_B = jnp.arange(len(tokens_BT), dtype=jnp.uint32)
  if key is None:
    number_B = content(tokens_BT)
  chosen_BT, how_BT, any_BT = jax.vmap(row, (None, 0))(seed, number_B)
  if begins_BT is not None:
    time_T = jnp.arange(tokens_BT.shape[1])
    first_BT = lax.cummax(jnp.where(begins_BT > 0, time_T, 0), axis=1)
    chosen_BT, how_BT = (jnp.take_along_axis(x, first_BT, 1) for x in (chosen_BT, how_BT))
  chosen_BT = (chosen_BT < rate) & text_BT
  replaced_BT = jnp.where(how_BT < 0.8, pad, jnp.where(how_BT < 0.9, any_BT, tokens_BT))
  return jnp.where(chosen_BT, replaced_BT, tokens_BT), chosen_BT
