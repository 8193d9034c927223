"""Rotary positions (arXiv:2104.09864), in the rotate-half layout of GPT-NeoX and Llama, those of
xPos, and sinusoids.
"""

import jax.numpy as jnp

from seqlab.ops.backend import wide


def rope_naive(
  x_BTHK, pos_BT, base: float = 10000.0, fraction: float = 1.0, scale: float = 1.0, xpos: int = 0
):
  """Equation 34 pair by pair: channels i and i + R/2 are turned together by the angle pos *
  base^(-2i/R), and in xPos (arXiv:2212.10554, equation 17) multiplied by ((2i/R + 0.4) / 1.4)^(±pos
  / 512), pos being over `scale`.
  """
  turned = _turned(x_BTHK.shape[-1], fraction)
  x = [x_BTHK[..., i].astype(wide(x_BTHK.dtype)) for i in range(x_BTHK.shape[-1])]
  y = list(x)
  for i in range(turned // 2):
    j = i + turned // 2
    pos_BT1 = pos_BT[..., None].astype(wide(x_BTHK.dtype)) / scale
    angle = pos_BT1 * base ** (-2 * i / turned)
    size = ((2 * i / turned + 0.4) / 1.4) ** (xpos * pos_BT1 / 512)
    y[i] = size * (x[i] * jnp.cos(angle) - x[j] * jnp.sin(angle))
    y[j] = size * (x[i] * jnp.sin(angle) + x[j] * jnp.cos(angle))
  return jnp.stack(y, -1).astype(x_BTHK.dtype)


def rope(
  x_BTHK, pos_BT, base: float = 10000.0, fraction: float = 1.0, scale: float = 1.0, xpos: int = 0
):
  """Turns the first `fraction` of the channels of x_BTHK by its positions pos_BT (int) -> same
  shape and dtype.

  scale: positions are divided by it (arXiv:2306.15595). xpos: 1 for queries and -1 for keys, whose
  products then fall off with their distance (arXiv:2212.10554); 0 for none.

  The angles are float32 at least: bfloat16 cannot tell position 256 from 257.
  """
  turned = _turned(x_BTHK.shape[-1], fraction)
  dtype = wide(x_BTHK.dtype)
  rate = base ** (-jnp.arange(0, turned, 2, dtype=dtype) / turned)
  pos_BT11 = pos_BT[..., None, None].astype(dtype) / scale
  angle = pos_BT11 * rate
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  if xpos:
    size = ((jnp.arange(0, turned, 2, dtype=dtype) / turned + 0.4) / 1.4) ** (xpos * pos_BT11 / 512)
    cos, sin = size * cos, size * sin
  first, second, rest = jnp.split(x_BTHK, (turned // 2, turned), -1)
  first, second = first.astype(dtype), second.astype(dtype)
  parts = [first * cos - second * sin, first * sin + second * cos]
  return jnp.concatenate([part.astype(x_BTHK.dtype) for part in parts] + [rest], -1)


def sinusoids(pos_BT, width: int):
  """[B, T, D] float32: sines and cosines of positions, of wavelengths from 2 pi to 10000 times that
  (arXiv:1706.03762, section 3.5), the sines before the cosines.
  """
  rate = 10000.0 ** (-jnp.arange(0, width, 2) / width)
  angle = pos_BT[..., None].astype(jnp.float32) * rate
  return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)[..., :width]


def _turned(width: int, fraction: float) -> int:
  """How many channels turn: the even number at or below width * fraction."""
  return int(width * fraction) // 2 * 2
