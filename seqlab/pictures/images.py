"""Grids of images, without matplotlib."""

import io

import numpy as np

_LEAST = 560  # pixels of the wider side of a grid, about


def grid(images_RCYXD: np.ndarray) -> bytes:
  """The images in rows and columns with a line between, as a PNG; small ones are enlarged."""
  from PIL import Image

  rows, columns, height, width, depth = images_RCYXD.shape
  canvas = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, depth), 0.5)
  for row in range(rows):
    for column in range(columns):
      top, left = row * (height + 1) + 1, column * (width + 1) + 1
      canvas[top : top + height, left : left + width] = images_RCYXD[row, column]
  bits = np.clip(255 * canvas + 0.5, 0, 255).astype(np.uint8)
  bits = bits[..., 0] if depth == 1 else bits[..., :3]
  scale = max(1, round(_LEAST / max(bits.shape[:2])))
  out = io.BytesIO()
  Image.fromarray(bits.repeat(scale, 0).repeat(scale, 1)).save(out, format="PNG")
  return out.getvalue()
