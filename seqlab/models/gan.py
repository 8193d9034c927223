"""The two networks of a generative adversarial network (arXiv:1406.2661)."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.models.network import Network
from seqlab.nn.images import Mirror, Trunk, affine


class Generator(nn.Module):
  """Noise to an array through a `Mirror`; the values of images lie from 0 to 1."""

  mirror: Mirror
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self, z_BZ: jax.Array, label_BC: jax.Array | None = None, train: bool = False
  ) -> jax.Array:
    """[B, *shape] float32; `label_BC`, one-hot, says of which class."""
    if label_BC is not None:
      z_BZ = jnp.concatenate([z_BZ, label_BC], 1)
    x = self.mirror(z_BZ.astype(self.dtype)).astype(jnp.float32)
    return jax.nn.sigmoid(x) if len(self.mirror.shape) == 3 else x


class Discriminator(nn.Module):
  """A score for each array, or for each pack of them along the last axis; of a class by projection
  (arXiv:1802.05637, equation 3).
  """

  trunk: Trunk
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self, x_BYXD: jax.Array, label_BC: jax.Array | None = None, train: bool = False
  ) -> jax.Array:
    """[B] float32."""
    x_BF = self.trunk(x_BYXD.astype(self.dtype))
    score_B = affine(self, "score", x_BF, 1, "FD")[:, 0].astype(jnp.float32)
    if label_BC is not None:
      seen_BF = affine(self, "label", label_BC, x_BF.shape[-1], "CF")
      score_B += jnp.sum(seen_BF * x_BF.astype(jnp.float32), 1) / x_BF.shape[-1] ** 0.5
    return score_B


@dataclasses.dataclass(frozen=True)
class Pair:
  """What the objective plays with. `latent` numbers are drawn for each sample; `classes`, where the
  generator is told which it is to make, else 0.
  """

  generator: Network
  discriminator: Network
  latent: int = 0
  classes: int = 0
