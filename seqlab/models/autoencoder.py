"""Autoencoders: an array through a few numbers and back (Hinton & Salakhutdinov 2006), and the
variational one, whose few numbers are a distribution (arXiv:1312.6114).
"""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.images import Mirror, Trunk, affine


class Autoencoder(nn.Module):
  """`latent` numbers between a `Trunk` and its `Mirror`. What comes out are values, or logits of
  pixels: the objective knows which.
  """

  vectors: ClassVar[int] = 1  # that `encode` gives

  shape: tuple[int, ...]
  latent: int
  channels: tuple[int, ...] = ()
  hidden: tuple[int, ...] = ()
  activation: str = "relu"
  dtype: str = "float32"

  def setup(self) -> None:
    self.trunk = Trunk(self.channels, self.hidden, self.activation)
    self.mirror = Mirror(self.shape, self.channels, self.hidden, self.activation)
    self.head = Head((self.latent,) * self.vectors)

  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """The array again, [B, *shape] float32."""
    return self.decode(self.encode(x_BYXD))

  def encode(self, x_BYXD: jax.Array) -> jax.Array:
    """[B, Z] float32."""
    return self.head(self.trunk(x_BYXD.astype(self.dtype)))[0]

  def decode(self, z_BZ: jax.Array) -> jax.Array:
    """[B, *shape] float32."""
    return self.mirror(z_BZ.astype(self.dtype)).astype(jnp.float32)


class Vae(Autoencoder):
  """`encode` gives the mean and the log variance of a normal distribution, each [B, Z]."""

  vectors: ClassVar[int] = 2

  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """The array of the mean."""
    return self.decode(self.encode(x_BYXD)[0])

  def encode(self, x_BYXD: jax.Array) -> tuple[jax.Array, jax.Array]:  # type: ignore[override]
    mean_BZ, logvar_BZ = self.head(self.trunk(x_BYXD.astype(self.dtype)))
    return mean_BZ, logvar_BZ


class Head(nn.Module):
  """Features to one or more vectors, float32."""

  sizes: tuple[int, ...]

  @nn.compact
  def __call__(self, x_BF: jax.Array) -> list[jax.Array]:
    made = [affine(self, f"latent{i}", x_BF, size, "FZ") for i, size in enumerate(self.sizes)]
    return [x.astype(jnp.float32) for x in made]
