"""The evidence lower bound of a variational autoencoder (arXiv:1312.6114, of sentences
arXiv:1511.06349), in nats an example.

    loss = -E_q[log p(x | z)] + KL(q(z | x) || N(0, 1))

The batch holds one array of values from 0 to 1 and `weight_B`, or sentences, `tokens_BT`, `pos_BT`,
`labels_BT`, `weight_BT` and `weight_B`. What p(x | z) is, `likelihoods` says; q(z | x) is normal.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from seqlab.errors import UserError
from seqlab.objectives.autoencoding import beside
from seqlab.objectives.base import (
  Batch,
  Metrics,
  Network,
  OnePlayer,
  Pictures,
  Points,
  array_of,
  content,
)
from seqlab.objectives.likelihoods import Likelihood, Pixels, Words
from seqlab.objectives.ramp import Ramp


class Variational(OnePlayer):
  """beta: weight of the divergence (Higgins 2017). warmup: steps over which it rises from 0 to beta
  (arXiv:1511.06349). free_bits: nats of each latent number, in the mean over a batch, that cost
  nothing (arXiv:1606.04934, equation 15). importance: samples of the tighter bound that an
  evaluation tells as well (arXiv:1509.00519, equation 8); 0 for none. word_dropout: share of a
  sentence's tokens that the decoder does not see in training (arXiv:1511.06349, section 3.1).

  The metrics are of the plain bound, whatever is minimised.
  """

  rows: ClassVar[str] = "sentences"
  counts: ClassVar[str] = "examples"

  def __init__(
    self,
    network: Network,
    beta: float = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    importance: int = 0,
    word_dropout: float = 0.0,
    pad: int | None = None,
    eot: int = 0,
  ):
    """pad, eot: those of the tokenizer; None where the network reads arrays."""
    self.network, self.beta, self._rise = network, beta, Ramp(warmup)
    self.free_bits, self.importance = free_bits, importance
    self.whole_text = pad is not None
    self._of: Likelihood = Pixels()
    self.writes, self.pictured = "arrays", 1000
    if pad is not None:
      self._of = Words(word_dropout, pad, eot)
      self.writes, self.pictured = "sentences", 0
    elif word_dropout:
      raise UserError(
        f"config.objective: word_dropout={word_dropout} of variational() is of sentences; the data "
        f"are arrays"
      )

  def inputs(self, batch: Batch) -> tuple:
    return self._of.inputs(batch)

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    return self._rise.init_extra()

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    params, weight_B = params[player], batch["weight_B"]
    mean_BZ, logvar_BZ = self._of.encode(self.network, params, batch, key)
    noise_BZ = self._noise(batch, key, mean_BZ.shape)
    z_BZ = mean_BZ + jnp.exp(logvar_BZ / 2) * noise_BZ
    told = self._of.total(self.network, params, z_BZ, batch, key)
    kl_BZ = 0.5 * (mean_BZ**2 + jnp.exp(logvar_BZ) - 1 - logvar_BZ)
    kl_B, weight = kl_BZ.sum(1), jnp.sum(weight_B)
    divergence, examples = jnp.sum(kl_B * weight_B), jnp.maximum(weight, 1.0)

    beta = jnp.float32(self.beta)
    if key is not None:
      risen, extra = self._rise.turn(extra)
      beta *= risen
    kl = divergence / examples
    if self.free_bits:
      kl_Z = jnp.sum(kl_BZ * weight_B[:, None], 0) / examples
      kl = jnp.sum(jnp.maximum(kl_Z, self.free_bits))
    metrics = {
      "loss": (told + divergence, weight),
      "reconstruction": (told, weight),
      "kl": (divergence, weight),
    }
    if self.whole_text:
      metrics["token_loss"] = (told + divergence, jnp.sum(batch["weight_BT"]))
    if self.importance and key is None:
      bound_B = self._importance(params, batch, mean_BZ, logvar_BZ)
      metrics["importance_bound"] = (jnp.sum(bound_B * weight_B), weight)
    return told / examples + beta * kl, metrics, extra

  def draw(self, params: dict, key: jax.Array, count: int) -> jax.Array:
    """`count` arrays of latent numbers drawn from the prior: the means of their pixels."""
    z_NZ = jax.random.normal(key, (count, self.network.module.latent))
    return jax.nn.sigmoid(self.network(params["model"], z_NZ, method="decode"))

  def warning(self, numbers: dict[str, float]) -> str:
    if not numbers["kl"] <= 0.1:
      return ""
    return (
      f"the divergence has collapsed: {numbers['kl']:.4f} nats, so that the latent says nothing of "
      f"the example; variational(warmup=…), free_bits=… or a smaller beta keep it in use"
    )

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    """Reconstructions; samples; one latent number after another from -3 to 3; where examples lie in
    the two latent numbers that vary most.
    """
    params, x_BYXD = params["model"], array_of(batch)

    def shown(z_NZ: jax.Array) -> jax.Array:
      return jax.nn.sigmoid(self.network(params, z_NZ, method="decode"))

    samples = self.draw({"model": params}, key, 100)
    mean_BZ, _ = self.network(params, x_BYXD, method="encode")
    latent = mean_BZ.shape[1]
    spread_Z = jnp.var(mean_BZ, 0)
    first = jnp.argsort(-spread_Z)[: min(latent, 10)]
    steps = jnp.linspace(-3, 3, 10)
    moved = jnp.zeros((len(first), len(steps), latent))
    moved = moved.at[jnp.arange(len(first)), :, first].set(steps)
    moved = shown(moved.reshape(-1, latent)).reshape(len(first), len(steps), *x_BYXD.shape[1:])
    found: Pictures = {
      "reconstructions": beside(x_BYXD, shown(mean_BZ)),
      "samples": samples.reshape(10, 10, *samples.shape[1:]),
      "traversals": moved,
    }
    if latent > 1:
      found["latent"] = Points(mean_BZ[:, first[:2]], batch.get("label_B"))
    return found

  def _noise(
    self, batch: Batch, key: jax.Array | None, shape: tuple[int, ...], draw: Any = 0
  ) -> jax.Array:
    """Normal noise; in evaluation an example's own values decide it, so that no number depends on
    the batch.
    """
    if key is not None:
      return jax.random.normal(key, shape)
    number_B = content(self._of.values(batch))
    seed = jax.random.key(draw)
    return jax.vmap(lambda n: jax.random.normal(jax.random.fold_in(seed, n), shape[1:]))(number_B)

  def _importance(
    self, params: dict, batch: Batch, mean_BZ: jax.Array, logvar_BZ: jax.Array
  ) -> jax.Array:
    """-log of the mean importance weight, nats an example, [B]."""

    def sample(draw: jax.Array) -> jax.Array:
      noise_BZ = self._noise(batch, None, mean_BZ.shape, draw)
      z_BZ = mean_BZ + jnp.exp(logvar_BZ / 2) * noise_BZ
      told_B = self._of.each(self.network, params, z_BZ, batch)
      log_q_B = -0.5 * jnp.sum(noise_BZ**2 + logvar_BZ, 1)
      log_p_B = -0.5 * jnp.sum(z_BZ**2, 1)
      return log_p_B - told_B - log_q_B

    log_w_NB = jax.lax.map(sample, jnp.arange(1, self.importance + 1))
    return jnp.log(self.importance) - jax.nn.logsumexp(log_w_NB, 0)
