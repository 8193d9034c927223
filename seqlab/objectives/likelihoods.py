"""How likely an example is given latent numbers, the reconstruction of the evidence lower bound: of
arrays, and of texts.
"""

from typing import Protocol

import jax
import jax.numpy as jnp

from seqlab.objectives.autoencoding import bernoulli
from seqlab.objectives.base import Batch, Network, array_of
from seqlab.ops.cross_entropy import chunked_cross_entropy, cross_entropy


class Likelihood(Protocol):
  """-log p(x | z) in nats."""

  def inputs(self, batch: Batch) -> tuple:
    """What the whole network reads of a batch."""
    ...

  def values(self, batch: Batch) -> jax.Array:
    """What tells an example from others, [B, N]."""
    ...

  def encode(
    self, network: Network, params: dict, batch: Batch, key: jax.Array | None
  ) -> tuple[jax.Array, jax.Array]:
    """The mean and the log variance of z, each [B, Z]."""
    ...

  def total(
    self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch, key: jax.Array | None
  ) -> jax.Array:
    """The sum over the examples, by their weights."""
    ...

  def each(self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch) -> jax.Array:
    """That of each example, [B], in evaluation."""
    ...


class Pixels:
  """Of arrays of values from 0 to 1, by Bernoulli's law; `decode` of the network gives logits."""

  def inputs(self, batch: Batch) -> tuple:
    return (array_of(batch),)

  def values(self, batch: Batch) -> jax.Array:
    return array_of(batch).reshape(len(array_of(batch)), -1)

  def encode(
    self, network: Network, params: dict, batch: Batch, key: jax.Array | None
  ) -> tuple[jax.Array, jax.Array]:
    return network(params, array_of(batch), method="encode")

  def total(
    self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch, key: jax.Array | None
  ) -> jax.Array:
    return jnp.sum(self.each(network, params, z_BZ, batch) * batch["weight_B"])

  def each(self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch) -> jax.Array:
    return bernoulli(network(params, z_BZ, method="decode"), array_of(batch))


class Words:
  """Of texts, token by token, each given those before it.

  dropout: share of those before it that are hidden in training, by the padding id `pad`
    (arXiv:1511.06349, section 3.1); end-of-text, `eot`, never is.
  """

  def __init__(self, dropout: float, pad: int, eot: int):
    self.dropout, self.pad, self.eot = dropout, pad, eot

  def inputs(self, batch: Batch) -> tuple:
    return batch["tokens_BT"], batch["pos_BT"], None, None, batch["weight_BT"]

  def values(self, batch: Batch) -> jax.Array:
    return jnp.where(batch["weight_BT"] > 0, batch["tokens_BT"], 0)

  def encode(
    self, network: Network, params: dict, batch: Batch, key: jax.Array | None
  ) -> tuple[jax.Array, jax.Array]:
    inputs = batch["tokens_BT"], batch["pos_BT"], batch["weight_BT"]
    key = None if key is None else jax.random.fold_in(key, 1)
    return network(params, *inputs, method="encode", key=key)

  def total(
    self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch, key: jax.Array | None
  ) -> jax.Array:
    shown_BT = batch["tokens_BT"]
    if key is not None:
      hide, key = jax.random.split(jax.random.fold_in(key, 2))
      hidden_BT = jax.random.bernoulli(hide, self.dropout, shown_BT.shape)
      shown_BT = jnp.where(hidden_BT & (shown_BT != self.eot), self.pad, shown_BT)
    x_BTD, _ = network(params, shown_BT, batch["pos_BT"], None, z_BZ, key=key)
    head_VD = network(params, method="unembedding")
    return chunked_cross_entropy(x_BTD, head_VD, batch["labels_BT"], batch["weight_BT"])[0]

  def each(self, network: Network, params: dict, z_BZ: jax.Array, batch: Batch) -> jax.Array:
    x_BTD, _ = network(params, batch["tokens_BT"], batch["pos_BT"], None, z_BZ)
    logits_BTV = network(params, x_BTD, method="logits")
    return jnp.sum(cross_entropy(logits_BTV, batch["labels_BT"])[0] * batch["weight_BT"], 1)
