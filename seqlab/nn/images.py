"""From an image to features and back: the two halves that image networks are made of."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from seqlab import axes
from seqlab.nn.layers import ACTIVATIONS, bias, weight
from seqlab.ops.convolution import convolution, transposed_convolution
from seqlab.ops.dense import dense


def affine(module: nn.Module, name: str, x: jax.Array, outputs: int, letters: str) -> jax.Array:
  """`x @ name_XY + name_bias_Y` over the last axis; `letters` are those of the two axes."""
  w = weight(module, f"{name}_{letters}", (x.shape[-1], outputs))
  return dense(x, w) + bias(module, f"{name}_bias_{letters[1]}", (outputs,)).astype(x.dtype)


def convolve(
  module: nn.Module,
  name: str,
  x_BYXD: jax.Array,
  features: int,
  kernel: int,
  how: Callable = convolution,
  **options: Any,
) -> jax.Array:
  """`how` with a kernel of its own and a bias, [B, Y', X', features]."""
  w_YXDF = weight(module, f"{name}_YXDF", (kernel, kernel, x_BYXD.shape[-1], features))
  # Whole on every device: XLA's gradients through a kernel that is cut over both its feature axes
  # are wrong (jax 0.10.2, CPU; a test of meshes sees it).
  w_YXDF = axes.constrain(w_YXDF, "....")
  y_BYXD = how(x_BYXD, w_YXDF, **options)
  return y_BYXD + bias(module, f"{name}_bias_F", (features,)).astype(x_BYXD.dtype)


def dense_layers(
  module: nn.Module, name: str, x_BF: jax.Array, sizes: tuple[int, ...], activation: Callable
) -> jax.Array:
  """An affine map and an activation for each of `sizes`."""
  for number, size in enumerate(sizes):
    x_BF = activation(affine(module, f"{name}{number}", x_BF, size, "FF"))
  return x_BF


class Trunk(nn.Module):
  """Convolutions that halve rows and columns, one for each of `channels`, then dense layers of
  `hidden` units, with an activation after each; without channels the pixels are read as they are.
  """

  channels: tuple[int, ...] = ()
  hidden: tuple[int, ...] = ()
  activation: str = "relu"

  @nn.compact
  def __call__(self, x_BYXD: jax.Array) -> jax.Array:
    """Features [B, F] of arrays with any axes after the first; channels want [B, Y, X, D]."""
    activation = ACTIVATIONS[self.activation]
    for number, size in enumerate(self.channels):
      x_BYXD = activation(convolve(self, f"conv{number}", x_BYXD, size, 4, stride=2))
    x_BF = x_BYXD.reshape(len(x_BYXD), -1)
    return dense_layers(self, "in", x_BF, self.hidden, activation)


class Mirror(nn.Module):
  """The way back of a `Trunk`: dense layers of `hidden` units in reverse, then transposed
  convolutions through `channels` in reverse, to arrays of `shape` without an activation.
  """

  shape: tuple[int, ...]
  channels: tuple[int, ...] = ()
  hidden: tuple[int, ...] = ()
  activation: str = "relu"

  @nn.compact
  def __call__(self, z_BZ: jax.Array) -> jax.Array:
    """[B, *shape] from [B, Z]."""
    activation = ACTIVATIONS[self.activation]
    x_BF = dense_layers(self, "out", z_BZ, self.hidden[::-1], activation)
    if not self.channels:
      x_BD = affine(self, "pixels", x_BF, math.prod(self.shape), "FD")
      return x_BD.reshape(len(z_BZ), *self.shape)
    # Rows and columns on the way down, which an odd number rounds up.
    sizes = [self.shape[:2]]
    for _ in self.channels:
      sizes.append(tuple(-(-n // 2) for n in sizes[-1]))
    first = (*sizes.pop(), self.channels[-1])
    x_BF = activation(affine(self, "first", x_BF, math.prod(first), "FF"))
    x_BYXD = x_BF.reshape(len(z_BZ), *first)
    widths = (*self.channels[-2::-1], self.shape[-1])
    for number, width in enumerate(widths):
      rows, columns = sizes.pop()
      x_BYXD = convolve(self, f"conv{number}", x_BYXD, width, 4, transposed_convolution)
      x_BYXD = x_BYXD[:, :rows, :columns]
      if number < len(widths) - 1:
        x_BYXD = activation(x_BYXD)
    return x_BYXD
