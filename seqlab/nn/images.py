"""From an array to features and back: the two halves that networks of images are made of."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.kernels import convolve
from seqlab.nn.layers import ACTIVATIONS, bias, weight
from seqlab.ops.convolution import average_pool, convolution, transposed_convolution
from seqlab.ops.dense import dense


def affine(module: nn.Module, name: str, x: jax.Array, outputs: int, letters: str) -> jax.Array:
  """`x @ name_XY + name_bias_Y` over the last axis; `letters` are those of the two axes."""
  w = weight(module, f"{name}_{letters}", (x.shape[-1], outputs))
  return dense(x, w) + bias(module, f"{name}_bias_{letters[1]}", (outputs,)).astype(x.dtype)


class BatchNorm(nn.Module):
  """Normalises each feature by the statistics of the batch it is in (arXiv:1502.03167), always: no
  running ones are kept, so what it makes of a row depends on the rows beside it.
  """

  @nn.compact
  def __call__(self, x_BF: jax.Array) -> jax.Array:
    width, before = x_BF.shape[-1], tuple(range(x_BF.ndim - 1))
    x = x_BF.astype(jnp.float32)
    x = (x - x.mean(before)) * jax.lax.rsqrt(x.var(before) + 1e-5)
    y = x * bias(self, "scale_F", (width,), 1.0) + bias(self, "bias_F", (width,))
    return y.astype(x_BF.dtype)


class Trunk(nn.Module):
  """Convolutions that halve rows and columns, one for each of `channels`, then dense layers of
  `hidden` units, with an activation after each; without channels the pixels are read as they are.

  pieces: above 1, a dense unit is the largest of so many (maxout, arXiv:1302.4389) and has no
    activation.
  """

  channels: tuple[int, ...] = ()
  hidden: tuple[int, ...] = ()
  activation: str = "relu"
  pieces: int = 1

  @nn.compact
  def __call__(self, x_BYXD: jax.Array) -> jax.Array:
    """Features [B, F] of arrays with any axes after the first; channels want [B, Y, X, D]."""
    activation = ACTIVATIONS[self.activation]
    halved = functools.partial(convolution, stride=2)
    for number, size in enumerate(self.channels):
      x_BYXD = activation(convolve(self, f"conv{number}", x_BYXD, size, (4, 4), halved))
    x_BF = x_BYXD.reshape(len(x_BYXD), -1)
    for number, size in enumerate(self.hidden):
      if self.pieces > 1:
        w_FGF = weight(self, f"in{number}_FGF", (x_BF.shape[-1], self.pieces, size))
        bias_GF = bias(self, f"in{number}_bias_GF", (self.pieces, size))
        x_BF = jnp.max(dense(x_BF, w_FGF) + bias_GF.astype(x_BF.dtype), 1)
      else:
        x_BF = activation(affine(self, f"in{number}", x_BF, size, "FF"))
    return x_BF


class Pooled(nn.Module):
  """Convolutions of 3 x 3, each with an activation and a mean over 2 x 2 pixels, then dense layers:
  LeNet (LeCun 1998) as flax's example of MNIST has it.
  """

  channels: tuple[int, ...] = (32, 64)
  hidden: tuple[int, ...] = (256,)
  activation: str = "relu"

  @nn.compact
  def __call__(self, x_BYXD: jax.Array) -> jax.Array:
    """Features [B, F]."""
    activation = ACTIVATIONS[self.activation]
    for number, size in enumerate(self.channels):
      x_BYXD = activation(convolve(self, f"conv{number}", x_BYXD, size, (3, 3), convolution))
      x_BYXD = average_pool(x_BYXD)
    return Trunk((), self.hidden, self.activation, name="trunk")(x_BYXD)


class Mirror(nn.Module):
  """The way back of a `Trunk`: dense layers of `hidden` units in reverse, then transposed
  convolutions through `channels` in reverse, to arrays of `shape` without an activation.

  normalise: a `BatchNorm` before each activation.
  """

  shape: tuple[int, ...]
  channels: tuple[int, ...] = ()
  hidden: tuple[int, ...] = ()
  activation: str = "relu"
  normalise: bool = False

  @nn.compact
  def __call__(self, z_BZ: jax.Array) -> jax.Array:
    """[B, *shape] from [B, Z]."""

    def bent(x: jax.Array, name: str) -> jax.Array:
      x = BatchNorm(name=f"{name}_norm")(x) if self.normalise else x
      return ACTIVATIONS[self.activation](x)

    x_BF = z_BZ
    for number, size in enumerate(self.hidden[::-1]):
      x_BF = bent(affine(self, f"out{number}", x_BF, size, "FF"), f"out{number}")
    if not self.channels:
      x_BD = affine(self, "pixels", x_BF, math.prod(self.shape), "FD")
      return x_BD.reshape(len(z_BZ), *self.shape)
    # Rows and columns on the way down, which an odd number rounds up.
    sizes = [self.shape[:2]]
    for _ in self.channels:
      sizes.append(tuple(-(-n // 2) for n in sizes[-1]))
    first = (*sizes.pop(), self.channels[-1])
    x_BF = affine(self, "first", x_BF, math.prod(first), "FF")
    x_BYXD = bent(x_BF.reshape(len(z_BZ), *first), "first")
    widths = (*self.channels[-2::-1], self.shape[-1])
    for number, width in enumerate(widths):
      rows, columns = sizes.pop()
      x_BYXD = convolve(self, f"conv{number}", x_BYXD, width, (4, 4), transposed_convolution)
      x_BYXD = x_BYXD[:, :rows, :columns]
      if number < len(widths) - 1:
        x_BYXD = bent(x_BYXD, f"conv{number}")
    return x_BYXD
