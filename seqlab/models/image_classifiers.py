"""Networks that tell the class of an image, or of any array: dense, and convolutional."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.images import Pooled, Trunk, affine


class ArrayClassifier(nn.Module):
  """Classes from the features of `body`, a `Trunk` or a `Pooled`, with dropout between."""

  classes: int
  body: nn.Module
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """Logits over the classes, [B, C] float32."""
    x_BF = self.features(x_BYXD)
    x_BF = nn.Dropout(self.dropout, deterministic=not train)(x_BF)
    return affine(self, "classes", x_BF, self.classes, "FC").astype(jnp.float32)

  def features(self, x_BYXD: jax.Array) -> jax.Array:
    """What the classes are told from, [B, F]."""
    return self.body(x_BYXD.astype(self.dtype))


def mlp(classes: int, hidden: tuple[int, ...], activation: str, **options) -> ArrayClassifier:
  return ArrayClassifier(classes, Trunk((), hidden, activation), **options)


def cnn(
  classes: int, channels: tuple[int, ...], hidden: tuple[int, ...], activation: str, **options
) -> ArrayClassifier:
  return ArrayClassifier(classes, Pooled(channels, hidden, activation), **options)
