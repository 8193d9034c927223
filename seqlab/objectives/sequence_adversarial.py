"""A game of two over texts: the discriminator tells drawn ones from real ones, the generator is a
language model that is to draw what it takes for real.

Drawing a token has no gradient. The generator learns from the scores of texts by policy gradient
(SeqGAN, arXiv:1609.05473), or through a softmax with Gumbel noise whose forward pass is the token
(arXiv:1611.01144, arXiv:1611.04051). The batch holds a text a row: `labels_BT`, its tokens and its
end, `weight_BT`, 1 on these, and `weight_B`; `tokens_BT` and `pos_BT` are what a language model
reads for them.
"""

import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from seqlab.objectives.adversarial import saturation
from seqlab.objectives.base import Batch, Metrics, OnePlayer, Players, content
from seqlab.ops.categorical import categorical, possible


class SequenceAdversarial(OnePlayer):
  """critic: turns of the discriminator for each of the generator. rollouts: the score of a
  beginning is the mean over so many texts that the generator makes of it (arXiv:1609.05473,
  equation 4); the mean of the batch's other texts is taken from it, which leaves the expected
  gradient as it is. gumbel: temperature of the straight-through softmax, which then takes the place
  of rewards; 0 for none.

  Drawn texts are as long as a row at most. ids, pad, eot: the vocabulary; `pad` is never drawn,
  unless it is `eot`.
  """

  rows: ClassVar[str] = "sentences"
  counts: ClassVar[str] = "examples"
  ranked: ClassVar[tuple[str, ...]] = ()
  whole_text = False
  writes = "continuations"

  def __init__(
    self,
    network: Players,
    ids: int,
    pad: int,
    eot: int,
    critic: int = 1,
    rollouts: int = 4,
    gumbel: float = 0.0,
  ):
    self.network, self.judge = network.generator, network.discriminator
    self.ids, self.pad, self.eot = ids, pad, eot
    self.rollouts, self.gumbel = rollouts, gumbel
    self.players = ("discriminator",) * critic + ("generator",)

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    keys = jax.random.split(key)
    reads = batch["labels_BT"], batch["pos_BT"], batch["weight_BT"]
    return {
      "discriminator": self.judge.init(keys[0], *reads),
      "generator": self.network.init(keys[1], *self.inputs(batch)),
    }

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    # an evaluation draws by its batch, so that batches do not share their noise
    own_key = jax.random.fold_in(jax.random.key(0), content(batch["labels_BT"].reshape(1, -1))[0])
    keys = jax.random.split(own_key if key is None else key, 3)
    shape, weight_B = batch["labels_BT"].shape, batch["weight_B"]
    own, count = params["generator"], jnp.maximum(jnp.sum(weight_B), 1.0)
    if player == "generator" and self.gumbel and key is not None:
      made = self._softly(own, keys[0], shape)
    else:
      made = self._drawn(own, keys[0], jnp.zeros(shape, jnp.int32), jnp.zeros(shape[0], int))
    drop = keys[1] if key is not None and player == "discriminator" else None
    fake_B = self._score(params, *made, drop)

    def told(x_B: jax.Array) -> tuple[jax.Array, jax.Array]:
      return jnp.sum(x_B * weight_B), jnp.sum(weight_B)

    fooled = {"loss": told(jax.nn.softplus(-fake_B)), "reward": told(jax.nn.sigmoid(fake_B))}
    fooled["tokens"] = told(made[1].sum(1))
    if player == "generator" and key is not None:
      if self.gumbel:
        return fooled["loss"][0] / count, fooled, extra
      gain_BT = self._gain(params, made, fake_B, keys[2]) * weight_B[:, None]
      logp_BT = self._logp(own, *made)
      return -jnp.sum(jax.lax.stop_gradient(gain_BT) * logp_BT) / count, fooled, extra

    real_B = self._score(params, batch["labels_BT"], batch["weight_BT"], drop)
    told_apart = {
      "loss": told(jax.nn.softplus(-real_B) + jax.nn.softplus(fake_B)),
      "accuracy": told(0.5 * ((real_B > 0).astype(jnp.float32) + (fake_B < 0))),
    }
    if key is not None:
      return told_apart["loss"][0] / count, told_apart, extra
    # An evaluation tells of both, and how likely the generator finds real texts.
    nll = -jnp.sum(self._logp(own, batch["labels_BT"], batch["weight_BT"]))
    fooled |= {f"discriminator_{name}": metric for name, metric in told_apart.items()}
    fooled["token_loss"] = nll, jnp.sum(batch["weight_BT"])
    return fooled["loss"][0] / count, fooled, extra

  def warning(self, numbers: dict[str, float]) -> str:
    return saturation(numbers["discriminator_accuracy"])

  def _score(
    self, params: dict, labels: jax.Array, weight_BT: jax.Array, key: jax.Array | None
  ) -> jax.Array:
    """[B], higher for what seems real; `labels` are ids [B, T], or weights over ids [B, T, V]."""
    pos_BT = jnp.broadcast_to(jnp.arange(weight_BT.shape[1]), weight_BT.shape)
    return self.judge(params["discriminator"], labels, pos_BT, weight_BT, key=key)[:, 0]

  def _possible(self, logits: jax.Array) -> jax.Array:
    return possible(logits, self.ids, () if self.pad == self.eot else (self.pad,))

  def _logp(self, params: dict, labels_BT: jax.Array, weight_BT: jax.Array) -> jax.Array:
    """Of each token after those before it; what has no weight counts as 0."""
    tokens_BT = jnp.pad(labels_BT[:, :-1], ((0, 0), (1, 0)), constant_values=self.eot)
    pos_BT = jnp.broadcast_to(jnp.arange(labels_BT.shape[1]), labels_BT.shape)
    x_BTD, _ = self.network(params, tokens_BT, pos_BT)
    logp_BTV = jax.nn.log_softmax(self._possible(self.network(params, x_BTD, method="logits")))
    logp_BT = jnp.take_along_axis(logp_BTV, labels_BT[..., None], 2)[..., 0]
    return jnp.where(weight_BT > 0, logp_BT, 0.0)

  def _gain(
    self, params: dict, made: tuple[jax.Array, jax.Array], fake_B: jax.Array, key: jax.Array
  ) -> jax.Array:
    """By how much the text that each token leads to is better than others of its batch, [B, T]."""
    (drawn_BT, weight_BT), (rows, length) = made, made[0].shape
    kept_N = jnp.repeat(jnp.arange(1, length), self.rollouts * rows)  # tokens of each beginning
    forced_NT = jnp.tile(drawn_BT, ((length - 1) * self.rollouts, 1))
    texts = self._drawn(params["generator"], key, forced_NT, kept_N)
    reward_N = jax.nn.sigmoid(self._score(params, *texts, None))
    reward_TB = reward_N.reshape(length - 1, self.rollouts, rows).mean(1)
    reward_BT = jnp.concatenate([reward_TB, jax.nn.sigmoid(fake_B)[None]]).T
    # the mean of the other texts that are as long; a text's own reward would shrink the gradient
    others_BT = jnp.maximum(jnp.sum(weight_BT, 0) - weight_BT, 1.0)
    return reward_BT - (jnp.sum(reward_BT * weight_BT, 0) - reward_BT * weight_BT) / others_BT

  def _drawn(
    self, params: dict, key: jax.Array, forced_NT: jax.Array, kept_N: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """(texts that begin with the first `kept_N` tokens of `forced_NT`, ids [N, T], their weights),
    without a gradient.
    """

    def one(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
      state, token_N, goes_on_N = carry
      time, forced_N, key = now
      pos_NT = jnp.full((len(token_N), 1), time)
      x_NTD, state = self.network(params, token_N[:, None], pos_NT, state)
      logits_NV = self._possible(self.network(params, x_NTD, method="logits")[:, 0])
      token_N = jnp.where(time < kept_N, forced_N, categorical(key, logits_NV))
      token_N = jnp.where(goes_on_N, token_N, self.pad)
      after = state, token_N, goes_on_N & (token_N != self.eot)
      return after, (token_N, goes_on_N.astype(jnp.float32))

    params = jax.lax.stop_gradient(params)
    rows, length = forced_NT.shape
    start = self.network.init_state(rows, length), jnp.full(rows, self.eot), jnp.ones(rows, bool)
    each = jnp.arange(length), forced_NT.T, jax.random.split(key, length)
    _, (token_TN, weight_TN) = jax.lax.scan(one, start, each)
    return token_TN.T, weight_TN.T

  def _softly(
    self, params: dict, key: jax.Array, shape: tuple[int, int]
  ) -> tuple[jax.Array, jax.Array]:
    """(texts as one-hot weights over ids [B, T, V], their weights [B, T]) that have the gradient of
    a softmax.
    """
    rows, length = shape

    def one(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
      state, token_BV, goes_on_B = carry
      time, key = now
      pos_BT = jnp.full((rows, 1), time)
      x_BTD, state = self.network(params, token_BV[:, None], pos_BT, state)
      logits_BV = self._possible(self.network(params, x_BTD, method="logits")[:, 0])
      noise_BV = jax.random.gumbel(key, logits_BV.shape)
      soft_BV = jax.nn.softmax((logits_BV + noise_BV) / self.gumbel)
      hard_BV = jax.nn.one_hot(jnp.argmax(soft_BV, -1), soft_BV.shape[-1])
      token_BV = hard_BV + (soft_BV - jax.lax.stop_gradient(soft_BV))  # exactly 0 and 1
      ended_B = token_BV[:, self.eot]
      token_BV = goes_on_B[:, None] * token_BV
      return (state, token_BV, goes_on_B * (1 - ended_B)), (token_BV, goes_on_B)

    ids = jax.eval_shape(functools.partial(self.network, method="unembedding"), params).shape[0]
    first_BV = jnp.broadcast_to(jax.nn.one_hot(self.eot, ids), (rows, ids))
    start = self.network.init_state(rows, length), first_BV, jnp.ones(rows)
    each = jnp.arange(length), jax.random.split(key, length)
    _, (token_TBV, weight_TB) = jax.lax.scan(one, start, each)
    return token_TBV.swapaxes(0, 1), weight_TB.T
