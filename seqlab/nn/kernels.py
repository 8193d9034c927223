"""Layers whose weight is a kernel: over an image, over a text."""

from collections.abc import Callable

import flax.linen as nn
import jax

from seqlab import axes
from seqlab.nn.layers import bias, weight

_PLACES = {1: "W", 2: "YX"}


def convolve(
  module: nn.Module,
  name: str,
  x: jax.Array,
  features: int,
  kernel: tuple[int, ...],
  how: Callable[[jax.Array, jax.Array], jax.Array],
) -> jax.Array:
  """`how(x, w)` with a kernel of its own, `name_WDF` or `name_YXDF`, and a bias; x: [B, T, D] or
  [B, Y, X, D].
  """
  w = weight(module, f"{name}_{_PLACES[len(kernel)]}DF", (*kernel, x.shape[-1], features))
  # Whole on every device: XLA's gradients through a kernel that is cut over both its feature axes
  # are wrong (jax 0.10.2, CPU; a test of meshes sees it).
  y = how(x, axes.constrain(w, "." * w.ndim))
  return y + bias(module, f"{name}_bias_F", (features,)).astype(x.dtype)
