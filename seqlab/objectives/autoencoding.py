"""An array told from itself, through a network too narrow to copy it.

The batch holds one array, `image_BYXD` or `x_BD`, and `weight_B`. Losses are sums over the array,
means over examples.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp

from seqlab.errors import UserError, nearest
from seqlab.objectives.base import Batch, Metrics, Network, OnePlayer, Pictures, array_of
from seqlab.ops.cross_entropy import binary_cross_entropy

LOSSES = ("squared", "bernoulli")


class Autoencoding(OnePlayer):
  """loss: "squared" error, or "bernoulli" cross entropy in nats of pixels from 0 to 1 whose logits
  the network gives. noise: standard deviation of what is added to the input in training, which the
  network is to take away (Vincent 2008).
  """

  counts: ClassVar[str] = "examples"
  whole_text: bool = False
  pictured: int = 40

  def __init__(self, network: Network, loss: str = "squared", noise: float = 0.0):
    if loss not in LOSSES:
      raise UserError(
        f"config.objective: loss={loss!r} of autoencoding(){nearest(loss, LOSSES)}: choose from "
        f"{', '.join(LOSSES)}"
      )
    self.network, self.kind, self.noise = network, loss, noise

  def inputs(self, batch: Batch) -> tuple:
    return (array_of(batch),)

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    x_BYXD, weight_B = array_of(batch), batch["weight_B"]
    seen_BYXD = x_BYXD
    if self.noise and key is not None:
      key, draw = jax.random.split(key)
      seen_BYXD = x_BYXD + self.noise * jax.random.normal(draw, x_BYXD.shape)
    y_BYXD = self.network(params[player], seen_BYXD, key=key)
    told = y_BYXD if self.kind == "squared" else jax.nn.sigmoid(y_BYXD)
    squared_B = total((told - x_BYXD) ** 2)
    loss_B = squared_B if self.kind == "squared" else bernoulli(y_BYXD, x_BYXD)
    weight = jnp.sum(weight_B)
    metrics = {"loss": (jnp.sum(loss_B * weight_B), weight)}
    if self.kind == "bernoulli":
      metrics["squared_error"] = (jnp.sum(squared_B * weight_B), weight)
    return metrics["loss"][0] / jnp.maximum(weight, 1.0), metrics, extra

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    y_BYXD = self.network(params["model"], array_of(batch))
    y_BYXD = y_BYXD if self.kind == "squared" else jax.nn.sigmoid(y_BYXD)
    return {"reconstructions": beside(array_of(batch), y_BYXD)}


def total(x_BYXD: jax.Array) -> jax.Array:
  """The sum over each example's array, [B]."""
  return jnp.sum(x_BYXD.reshape(len(x_BYXD), -1), 1)


def bernoulli(logit_BYXD: jax.Array, x_BYXD: jax.Array) -> jax.Array:
  """Cross entropy in nats of values from 0 to 1, summed over each array, [B]."""
  return total(binary_cross_entropy(logit_BYXD, x_BYXD))


def beside(x_BYXD: jax.Array, y_BYXD: jax.Array, count: int = 10) -> jax.Array:
  """A grid of images: pairs of rows, `count` of x over those of y."""
  rows = min(len(x_BYXD) // count, 4) or 1
  cut = [x[: rows * count].reshape(rows, -1, *x.shape[1:]) for x in (x_BYXD, y_BYXD)]
  return jnp.stack(cut, 1).reshape(2 * rows, -1, *x_BYXD.shape[1:])
