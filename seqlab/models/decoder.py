"""The decoder: embedding, a stack of blocks, a final norm, and logits over the vocabulary.

Any mixer makes it a language model: a Transformer, a recurrent network, a hybrid. With layers whose
mixers read both ways it is an encoder, and its logits are those of a masked language model.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm, lookup, weight
from seqlab.nn.stack import Layer, Stack
from seqlab.ops.dense import product


class Decoder(nn.Module):
  """Tokens and positions in, features out; `logits` and `unembedding` give the head.

  vocab: ids. length: rows of the learned position table; 0 for none (positions are then the
    mixers'). types: rows of the table of token types (arXiv:1810.04805); 0 for none.
  layers: the repeating pattern. tied: the head is the embedding. dtype: of activations and
    products.
  """

  vocab: int
  width: int
  depth: int
  layers: tuple[Layer, ...]
  norm: str = "rms"
  length: int = 0
  types: int = 0
  tied: bool = True
  dropout: float = 0.0
  dtype: str = "float32"
  remat: str = "none"
  unroll: int = 0

  def setup(self) -> None:
    # Small, so that the first logits are near zero and the first loss near log(vocab), as GPT-2
    # starts.
    self.embed_VD = weight(self, "embed_VD", (self.vocab, self.width), std=0.02)
    if self.length:
      self.position_SD = weight(self, "position_SD", (self.length, self.width), std=0.02)
    if self.types:
      self.type_SD = weight(self, "type_SD", (self.types, self.width), std=0.02)
    if not self.tied:
      self.head_DV = weight(self, "head_DV", (self.width, self.vocab))
    self.stack = Stack(self.layers, self.depth, self.remat, self.unroll)
    self.final_norm = Norm(self.norm)
    self.drop = nn.Dropout(self.dropout)

  def __call__(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    types_BT: jax.Array | None = None,
    *,
    train: bool = False,
  ) -> tuple[jax.Array, dict | None]:
    """Features before the head, [B, T, D] in `dtype`, and the mixers' state after these tokens; in
    place of ids there may be weights over ids, [B, T, V]. Without types all are of type 0.
    """
    x_BTD = self.embed(tokens_BT, pos_BT, train, types_BT)
    x_BTD, state = self.stack(x_BTD, pos_BT, state, train)
    return self.final_norm(x_BTD), state

  def embed(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    train: bool,
    types_BT: jax.Array | None = None,
  ) -> jax.Array:
    """What the first block reads, [B, T, D] in `dtype`."""
    # Gathered over fsdp before the lookup, as every weight is before its product: a lookup in rows
    # that are cut across their width would be moved whole to each device.
    x_BTD = lookup(axes.constrain(self.embed_VD.astype(self.dtype), "V."), tokens_BT)
    if self.length:
      x_BTD += self.position_SD.astype(self.dtype)[pos_BT]
    if self.types:
      x_BTD += self.type_SD.astype(self.dtype)[0 if types_BT is None else types_BT]
    return self.drop(axes.constrain(x_BTD, "BTD"), deterministic=not train)

  def logits(self, x_BTD: jax.Array) -> jax.Array:
    """Scores over the vocabulary in float32, [B, T, V]."""
    logits_BTV = product(x_BTD, self.unembedding(), (2,), (1,))
    return axes.constrain(logits_BTV.astype(jnp.float32), "BTV")

  def unembedding(self) -> jax.Array:
    """The head as rows of the vocabulary, [V, D]."""
    return self.embed_VD if self.tied else self.head_DV.T

  def init_state(self, batch: int, capacity: int) -> dict[str, Any]:
    """The mixers' state before the first token, with caches for `capacity` tokens."""
    stack = Stack(self.layers, self.depth, parent=None)
    return stack.init_state(batch, self.width, capacity, jnp.dtype(self.dtype))
