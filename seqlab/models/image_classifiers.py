"""Networks that tell the class of an image, or of any array: dense, and convolutional."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.images import Trunk, affine, convolve, dense_layers
from seqlab.nn.layers import ACTIVATIONS
from seqlab.ops.convolution import average_pool


class Mlp(nn.Module):
  """Dense layers of `hidden` units over the flattened array, dropout after each activation."""

  classes: int
  hidden: tuple[int, ...] = (512,)
  activation: str = "relu"
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """Logits over the classes, [B, C] float32."""
    x_BF = Trunk((), self.hidden, self.activation, name="trunk")(x_BYXD.astype(self.dtype))
    x_BF = nn.Dropout(self.dropout, deterministic=not train)(x_BF)
    return affine(self, "classes", x_BF, self.classes, "FC").astype(jnp.float32)


class Cnn(nn.Module):
  """Convolutions of 3 x 3, each with an activation and a mean over 2 x 2 pixels, then dense layers:
  LeNet (LeCun 1998) as flax's example of MNIST has it.
  """

  classes: int
  channels: tuple[int, ...] = (32, 64)
  hidden: tuple[int, ...] = (256,)
  activation: str = "relu"
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """Logits over the classes, [B, C] float32."""
    activation, x_BYXD = ACTIVATIONS[self.activation], x_BYXD.astype(self.dtype)
    for number, size in enumerate(self.channels):
      x_BYXD = average_pool(activation(convolve(self, f"conv{number}", x_BYXD, size, 3)))
    x_BF = x_BYXD.reshape(len(x_BYXD), -1)
    x_BF = dense_layers(self, "in", x_BF, self.hidden, activation)
    x_BF = nn.Dropout(self.dropout, deterministic=not train)(x_BF)
    return affine(self, "classes", x_BF, self.classes, "FC").astype(jnp.float32)
