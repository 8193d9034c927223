"""A game of two (arXiv:1406.2661): the discriminator scores arrays, the generator makes arrays out
of noise that are to score like real ones.

The batch holds one array, `weight_B`, and `label_B` where the generator is told a class.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp

from seqlab.errors import UserError, nearest
from seqlab.objectives.base import (
  Batch,
  Course,
  Metrics,
  OnePlayer,
  Pictures,
  Players,
  array_of,
  content,
)

softplus, relu = jax.nn.softplus, jax.nn.relu
# Of the scores of real (r) and made (f) arrays: what the discriminator minimises, what the
# generator does, and the score between the two, where there is one.
LOSSES: dict[str, tuple[Callable, Callable, float | None]] = {
  "non_saturating": (lambda r, f: softplus(-r) + softplus(f), lambda f: softplus(-f), 0.0),
  "minimax": (lambda r, f: softplus(-r) + softplus(f), lambda f: -softplus(f), 0.0),
  # arXiv:1611.04076, equation 9
  "least_squares": (lambda r, f: 0.5 * ((r - 1) ** 2 + f**2), lambda f: 0.5 * (f - 1) ** 2, 0.5),
  # arXiv:1701.07875; it wants penalty=…
  "wasserstein": (lambda r, f: f - r, lambda f: -f, None),
  # arXiv:1705.02894, section 4.1
  "hinge": (lambda r, f: relu(1 - r) + relu(1 + f), lambda f: -f, 0.0),
}


class Makers(Players, Protocol):
  """Players whose generator makes arrays out of `latent` numbers, told one of `classes` if any."""

  @property
  def latent(self) -> int: ...
  @property
  def classes(self) -> int: ...


class Adversarial(OnePlayer):
  """loss: one of `LOSSES`. critic: turns of the discriminator for each of the generator, all on the
  batch of the step with noise of their own. packing: arrays that the discriminator judges together
  (PacGAN, arXiv:1712.04086); what fills no pack is left out. penalty: weight of
  (|gradient of the score| - 1)^2 between real and made arrays (arXiv:1704.00028, equation 3).

  An evaluation draws its noise by the batch, whose size its numbers depend on.
  """

  counts: ClassVar[str] = "examples"
  whole_text: bool = False
  writes: str = "arrays"
  pictured: int = 1000
  ranked: ClassVar[tuple[str, ...]] = ()

  def __init__(
    self,
    network: Makers,
    loss: str = "non_saturating",
    critic: int = 1,
    packing: int = 1,
    penalty: float = 0.0,
  ):
    if loss not in LOSSES:
      raise UserError(
        f"config.objective: loss={loss!r} of adversarial(){nearest(loss, LOSSES)}: choose from "
        f"{', '.join(LOSSES)}"
      )
    if packing > 1 and network.classes:
      raise UserError(
        f"config.objective: packing={packing} of adversarial() judges arrays of several classes "
        f"together; it does not go with gan(conditional=True)"
      )
    self.network, self.kind, self.packing, self.penalty = network, loss, packing, penalty
    self.players = ("discriminator",) * critic + ("generator",)

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    pair, keys = self.network, jax.random.split(key)
    x_BYXD = jnp.concatenate([array_of(batch)] * self.packing)  # one pack at least
    label_BC = self._classes(jnp.zeros(len(x_BYXD), jnp.int32))
    noise_BZ = jnp.zeros((len(x_BYXD), pair.latent))
    return {
      "discriminator": pair.discriminator.init(keys[0], self._packed(x_BYXD), label_BC),
      "generator": pair.generator.init(keys[1], noise_BZ, label_BC),
    }

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    x_BYXD, weight_B = array_of(batch), batch["weight_B"]
    if len(x_BYXD) < self.packing:
      raise UserError(
        f"config.batch: {len(x_BYXD)} rows at once make no pack of packing={self.packing}"
      )
    draw, mix = jax.random.split(self._of(x_BYXD) if key is None else key)
    label_BC = self._classes(batch.get("label_B"))
    made_BYXD = self._made(params, draw, len(x_BYXD), label_BC)
    real_P, fake_P = (self._score(params, self._packed(x), label_BC) for x in (x_BYXD, made_BYXD))
    weight_P = weight_B[: len(real_P) * self.packing].reshape(-1, self.packing).min(1)
    weight = jnp.sum(weight_P)

    def told(x_P: jax.Array) -> tuple[jax.Array, jax.Array]:  # counted in arrays, not in packs
      return self.packing * jnp.sum(x_P * weight_P), self.packing * weight

    judge, fool, between = LOSSES[self.kind]
    metrics = {"loss": told(judge(real_P, fake_P))}
    if between is not None:
      right_P = 0.5 * ((real_P > between).astype(jnp.float32) + (fake_P < between))
      metrics["accuracy"] = told(right_P)
    if key is None:  # an evaluation tells of both
      metrics = {f"discriminator_{name}": metric for name, metric in metrics.items()}
    if player == "generator":
      metrics = {"loss": told(fool(fake_P)), **(metrics if key is None else {})}
    scalar = metrics["loss"][0] / jnp.maximum(self.packing * weight, 1.0)
    if self.penalty and player == "discriminator" and key is not None:
      slope = self._slope(params, x_BYXD, made_BYXD, label_BC, mix)
      metrics["slope"] = told(slope)
      scalar += self.penalty * jnp.mean((slope - 1) ** 2)
    return scalar, metrics, extra

  def draw(
    self, params: dict, key: jax.Array, count: int, label_N: jax.Array | None = None
  ) -> jax.Array:
    """`count` arrays of the generator; where it is told classes, in turn if not of `label_N`."""
    if self.network.classes and label_N is None:
      label_N = jnp.arange(count) % self.network.classes
    return self._made(params, key, count, self._classes(label_N))

  def warning(self, numbers: dict[str, float]) -> str:
    # none without a score between the two
    return saturation(numbers.get("discriminator_accuracy", 0.0))

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    """Samples of the same noise at every step, as images or as points over the real ones, and where
    some of them came from.
    """
    x_BYXD = array_of(batch)
    if x_BYXD.ndim == 2:
      real_N2, made_N2 = x_BYXD[:, :2], self.draw(params, key, 1000)[:, :2]
      return {
        "samples": {"real": real_N2, "made": made_N2},
        "trajectories": Course(made_N2[:100], real_N2),
      }
    made = self.draw(params, key, 100)
    return {
      "samples": made.reshape(10, 10, *made.shape[1:]), "trajectories": Course(made[:10])
    }  # fmt: skip

  def _of(self, x_BYXD: jax.Array) -> jax.Array:
    """The key of an evaluation's batch, so that batches do not share their noise."""
    return jax.random.fold_in(jax.random.key(0), content(x_BYXD.reshape(1, -1))[0])

  def _classes(self, label_B: jax.Array | None) -> jax.Array | None:
    """One-hot, where the generator is told the class."""
    return jax.nn.one_hot(label_B, self.network.classes) if self.network.classes else None

  def _made(
    self, params: dict, key: jax.Array, count: int, label_BC: jax.Array | None
  ) -> jax.Array:
    noise_BZ = jax.random.normal(key, (count, self.network.latent))
    return self.network.generator(params["generator"], noise_BZ, label_BC)

  def _score(self, params: dict, x_BYXD: jax.Array, label_BC: jax.Array | None) -> jax.Array:
    return self.network.discriminator(params["discriminator"], x_BYXD, label_BC)

  def _packed(self, x_BYXD: jax.Array) -> jax.Array:
    """Neighbouring rows side by side along the last axis; what fills no pack is left out."""
    packs = len(x_BYXD) // self.packing
    x = x_BYXD[: packs * self.packing].reshape(packs, self.packing, *x_BYXD.shape[1:])
    x = jnp.moveaxis(x, 1, -2)
    return x.reshape(*x.shape[:-2], -1)

  def _slope(
    self,
    params: dict,
    x_BYXD: jax.Array,
    made_BYXD: jax.Array,
    label_BC: jax.Array | None,
    key: jax.Array,
  ) -> jax.Array:
    """The length of the score's gradient at a point between each real and made pack."""
    real, made = self._packed(x_BYXD), self._packed(made_BYXD)
    share = jax.random.uniform(key, (len(real), *(1,) * (real.ndim - 1)))
    between = share * real + (1 - share) * made
    slope = jax.grad(lambda x: jnp.sum(self._score(params, x, label_BC)))(between)
    return jnp.sqrt(jnp.sum(slope.reshape(len(slope), -1) ** 2, 1) + 1e-12)


def saturation(accuracy: float) -> str:
  """What a discriminator of this accuracy means for the generator, or ""."""
  if not accuracy >= 0.995:
    return ""
  return (
    f"the discriminator tells {accuracy:.1%} of real and made examples apart, and little is left "
    f"for the generator to learn from; a lower rate for it (config.rates), critic=1 or another "
    f"loss may help"
  )
