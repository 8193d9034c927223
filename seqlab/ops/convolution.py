"""Convolutions over images, and their transposes: XLA's own, with the house's axes and dtypes."""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import wide

_AXES = ("NHWC", "HWIO", "NHWC")


def convolution(x_BYXD, w_YXDF, stride: int = 1):
  """[B, Y, X, D] and a kernel -> [B, ceil(Y / stride), ceil(X / stride), F] in x's dtype; zeros
  around the image.
  """
  return lax.conv_general_dilated(
    x_BYXD,
    w_YXDF.astype(x_BYXD.dtype),
    (stride, stride),
    "SAME",
    dimension_numbers=_AXES,
    preferred_element_type=wide(x_BYXD.dtype),
  ).astype(x_BYXD.dtype)


def transposed_convolution(x_BYXD, w_YXDF, stride: int = 2):
  """[B, Y, X, D] and a kernel -> [B, Y * stride, X * stride, F] in x's dtype (arXiv:1603.07285,
  section 4).
  """
  return lax.conv_transpose(
    x_BYXD,
    w_YXDF.astype(x_BYXD.dtype),
    (stride, stride),
    "SAME",
    dimension_numbers=_AXES,
    preferred_element_type=wide(x_BYXD.dtype),
  ).astype(x_BYXD.dtype)


def average_pool(x_BYXD, size: int = 2):
  """Means of squares of `size` pixels, [B, Y // size, X // size, D]; what is left over is cut."""
  rows, columns = (n // size * size for n in x_BYXD.shape[1:3])
  x = x_BYXD[:, :rows, :columns]
  x = x.reshape(len(x), rows // size, size, columns // size, size, -1)
  return jnp.mean(x, (2, 4))
