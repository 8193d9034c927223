"""Rotary positions (arXiv:2104.09864), in the rotate-half layout of GPT-NeoX and Llama, those of
xPos, and sinusoids.
"""

import jax.numpy as jnp

from seqlab.ops.backend import wide


def rope_naive(x_BTHK, pos_BT, base: float = 10000.0, scale: float = 1.0, xpos: int = 0):
  """Equation 34 pair by pair: channels i and i + R/2 are turned together by the angle pos *
  base^(-2i/R), and in xPos (arXiv:2212.10554, equation 17) multiplied by ((2i/R + 0.4) / 1.4)^(±pos
  / 512), pos being over `scale`.
  """
  width = x_BTHK.shape[-1]
  x = [x_BTHK[..., i].astype(wide(x_BTHK.dtype)) for i in range(width)]
  y = list(x)
  for i in range(width // 2):
    j = i + width // 2
    pos_BT1 = pos_BT[..., None].astype(wide(x_BTHK.dtype)) / scale
    angle = pos_BT1 * base ** (-2 * i / width)
    size = ((2 * i / width + 0.4) / 1.4) ** (xpos * pos_BT1 / 512)
    y[i] = size * (x[i] * jnp.cos(angle) - x[j] * jnp.sin(angle))
    y[j] = size * (x[i] * jnp.sin(angle) + x[j] * jnp.cos(angle))
  return jnp.stack(y, -1).astype(x_BTHK.dtype)


def rope(x_BTHK, pos_BT, base: float = 10000.0, scale: float = 1.0, xpos: int = 0):
  """Turns the channels of x_BTHK, an even number of them, by its positions pos_BT (int) -> same
  shape and dtype.

  scale: positions are divided by it (arXiv:2306.15595). xpos: 1 for queries and -1 for keys, whose
  products then fall off with their distance (arXiv:2212.10554); 0 for none.

  The angles are float32 at least: bfloat16 cannot tell position 256 from 257.
  """
  width = x_BTHK.shape[-1]
  dtype = wide(x_BTHK.dtype)
  rate = base ** (-jnp.arange(0, width, 2, dtype=dtype) / width)
  pos_BT11 = pos_BT[..., None, None].astype(dtype) / scale
  angle = pos_BT11 * rate
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  if xpos:
    size = ((jnp.arange(0, width, 2, dtype=dtype) / width + 0.4) / 1.4) ** (xpos * pos_BT11 / 512)
    cos, sin = size * cos, size * sin
  first, second = jnp.split(x_BTHK, 2, -1)
  first, second = first.astype(dtype), second.astype(dtype)
  parts = [first * cos - second * sin, first * sin + second * cos]
  return jnp.concatenate(parts, -1).astype(x_BTHK.dtype)


def sinusoids(pos_BT, width: int):
  """[B, T, D] float32: sines and cosines of positions, of wavelengths from 2 pi to 10000 times that
  (arXiv:1706.03762, section 3.5), the sines before the cosines.
  """
  rate = 10000.0 ** (-jnp.arange(0, width, 2) / width)
  angle = pos_BT[..., None].astype(jnp.float32) * rate
  return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)[..., :width]
