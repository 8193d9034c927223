"""A variational autoencoder of sentences (Bowman et al., arXiv:1511.06349): a sentence through a
normal distribution over a few numbers, and out of them word by word.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from seqlab.models.autoencoder import Head
from seqlab.models.decoder import Decoder
from seqlab.models.pooling import pooled
from seqlab.nn.layers import Norm, weight
from seqlab.nn.stack import Layer, Stack
from seqlab.ops.dense import dense


class TextVae(Decoder):
  """A decoder that sees `latent` numbers beside every token, whatever its mixers, and an encoder of
  the same depth that reads the sentence both ways. They share the embedding.

  pool: how the encoder's features become one.
  """

  encoder_layers: tuple[Layer, ...] = ()
  latent: int = 32
  pool: str = "mean"

  def setup(self) -> None:
    super().setup()
    self.encoder = Stack(self.encoder_layers, self.depth, self.remat, self.unroll)
    self.encoder_norm = Norm(self.norm)
    self.encoder_head = Head((self.latent, self.latent))
    # What it adds is as large as an embedding, which the noise of the latent would else drown.
    std = 0.02 / math.sqrt(self.latent)
    self.latent_ZD = weight(self, "latent_ZD", (self.latent, self.width), std=std)

  def __call__(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    z_BZ: jax.Array | None = None,
    weight_BT: jax.Array | None = None,
    *,
    train: bool = False,
  ) -> tuple[jax.Array, dict | None]:
    """Features before the head, [B, T, D], and the state after these tokens, which remembers
    `z_BZ`: a decoding gives it once. Given neither, the mean of what `encode` says of these tokens
    stands for it.
    """
    if z_BZ is None and state is not None:
      z_BZ = state["z_BZ"]
    elif z_BZ is None:
      weight_BT = jnp.ones(tokens_BT.shape) if weight_BT is None else weight_BT
      z_BZ, _ = self.encode(tokens_BT, pos_BT, weight_BT, train=train)
    x_BTD = self.embed(tokens_BT, pos_BT, train)
    x_BTD += dense(z_BZ.astype(x_BTD.dtype), self.latent_ZD)[:, None]
    layers = state and {name: x for name, x in state.items() if name != "z_BZ"}
    x_BTD, layers = self.stack(x_BTD, pos_BT, layers, train)
    return self.final_norm(x_BTD), layers and {**layers, "z_BZ": z_BZ}

  def encode(
    self, tokens_BT: jax.Array, pos_BT: jax.Array, weight_BT: jax.Array, *, train: bool = False
  ) -> tuple[jax.Array, jax.Array]:
    """The mean and the log variance of the sentence's latent numbers, each [B, Z] float32;
    `weight_BT` is 1 on the sentence and 0 on padding.
    """
    x_BTD = self.embed(tokens_BT, pos_BT, train)
    x_BTD, _ = self.encoder(x_BTD, pos_BT, None, train)
    mean_BZ, logvar_BZ = self.encoder_head(pooled(self.encoder_norm(x_BTD), weight_BT, self.pool))
    return mean_BZ, logvar_BZ

  def init_state(self, batch: int, capacity: int) -> dict[str, Any]:
    """As a decoder's, with the latent numbers at the prior's mean."""
    return super().init_state(batch, capacity) | {"z_BZ": jnp.zeros((batch, self.latent))}
