"""Convolutions over images and their transposes, with zeros around the image ("SAME"), and over
texts, with as many zeros around as asked.

Owes the rest a form that is fast on a CPU inside a loop as well: XLA's convolution leaves its fast
path in the body of a scan, which every training step is (measured: a step 20 to 70 times as long).
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import dense

_AXES = ("NHWC", "HWIO", "NHWC")


def convolution_naive(x_BYXD, w_YXDF, stride: int = 1):
  """[B, Y, X, D] and a kernel -> [B, ceil(Y / stride), ceil(X / stride), F] in x's dtype."""
  return lax.conv_general_dilated(
    x_BYXD,
    w_YXDF.astype(x_BYXD.dtype),
    (stride, stride),
    "SAME",
    dimension_numbers=_AXES,
    preferred_element_type=wide(x_BYXD.dtype),
  ).astype(x_BYXD.dtype)


def convolution(x_BYXD, w_YXDF, stride: int = 1):
  """As `convolution_naive`; on a CPU as one product of what each place sees."""
  if backend() != "cpu":
    return convolution_naive(x_BYXD, w_YXDF, stride)
  rows, columns, _, features = w_YXDF.shape
  (height, top, bottom), (width, left, right) = (
    _padding(size, kernel, stride)
    for size, kernel in zip(x_BYXD.shape[1:3], (rows, columns), strict=True)
  )
  padded = jnp.pad(x_BYXD, ((0, 0), (top, bottom), (left, right), (0, 0)))
  seen = [
    padded[:, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride]
    for i in range(rows)
    for j in range(columns)
  ]
  return dense(jnp.concatenate(seen, -1), w_YXDF.reshape(-1, features))


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
  """(places, zeros before, zeros after) along an axis."""
  places = -(-size // stride)
  total = max((places - 1) * stride + kernel - size, 0)
  return places, total // 2, total - total // 2


def convolution_1d_naive(x_BTD, w_WDF, dilation: int = 1, before: int = 0, after: int = 0):
  """y[t] = sum over i of x[t - before + i * dilation] w[i], x being 0 outside (arXiv:1511.07122,
  equation 2).

  [B, T, D] and a kernel -> [B, T + before + after - (W - 1) * dilation, F] in x's dtype.
  """
  return lax.conv_general_dilated(
    x_BTD,
    w_WDF.astype(x_BTD.dtype),
    (1,),
    [(before, after)],
    rhs_dilation=(dilation,),
    dimension_numbers=("NWC", "WIO", "NWC"),
    preferred_element_type=wide(x_BTD.dtype),
  ).astype(x_BTD.dtype)


def convolution_1d(x_BTD, w_WDF, dilation: int = 1, before: int = 0, after: int = 0):
  """As `convolution_1d_naive`; on a CPU as one product of what each place sees."""
  if backend() != "cpu":
    return convolution_1d_naive(x_BTD, w_WDF, dilation, before, after)
  size, _, features = w_WDF.shape
  places = x_BTD.shape[1] + before + after - (size - 1) * dilation
  padded = jnp.pad(x_BTD, ((0, 0), (before, after), (0, 0)))
  seen = [padded[:, i : i + places] for i in range(0, size * dilation, dilation)]
  return dense(jnp.concatenate(seen, -1), w_WDF.reshape(-1, features))


def transposed_convolution_naive(x_BYXD, w_YXDF, stride: int = 2):
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


def transposed_convolution(x_BYXD, w_YXDF, stride: int = 2):
  """As `transposed_convolution_naive`; on a CPU as the gradient of a `convolution`."""
  if backend() != "cpu":
    return transposed_convolution_naive(x_BYXD, w_YXDF, stride)
  batch, rows, columns, _ = x_BYXD.shape
  turned_YXFD = jnp.swapaxes(w_YXDF[::-1, ::-1], 2, 3)
  zeros = jnp.zeros((batch, rows * stride, columns * stride, w_YXDF.shape[-1]), x_BYXD.dtype)
  _, back = jax.vjp(lambda y: convolution(y, turned_YXFD, stride), zeros)
  return back(x_BYXD)[0]


def average_pool(x_BYXD, size: int = 2):
  """Means of squares of `size` pixels, [B, Y // size, X // size, D]; what is left over is cut."""
  rows, columns = (n // size * size for n in x_BYXD.shape[1:3])
  x = x_BYXD[:, :rows, :columns]
  x = x.reshape(len(x), rows // size, size, columns // size, size, -1)
  return jnp.mean(x, (2, 4))
