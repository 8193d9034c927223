"""Rotary positions (arXiv:2104.09864), in the rotate-half layout of GPT-NeoX and Llama."""

import jax.numpy as jnp

from seqlab.ops.backend import wide


def rope_naive(x_BTHK, pos_BT, base: float = 10000.0, fraction: float = 1.0):
  """Equation 34 pair by pair: channels i and i + R/2 are turned together by the angle pos *
  base^(-2i/R).
  """
  turned = _turned(x_BTHK.shape[-1], fraction)
  x = [x_BTHK[..., i].astype(wide(x_BTHK.dtype)) for i in range(x_BTHK.shape[-1])]
  y = list(x)
  for i in range(turned // 2):
    j = i + turned // 2
    angle = pos_BT[..., None].astype(wide(x_BTHK.dtype)) * base ** (-2 * i / turned)
    y[i] = x[i] * jnp.cos(angle) - x[j] * jnp.sin(angle)
    y[j] = x[i] * jnp.sin(angle) + x[j] * jnp.cos(angle)
  return jnp.stack(y, -1).astype(x_BTHK.dtype)


def rope(x_BTHK, pos_BT, base: float = 10000.0, fraction: float = 1.0):
  """Turns the first `fraction` of the channels of x_BTHK by its positions pos_BT (int) -> same
  shape and dtype.

  The angles are float32 at least: bfloat16 cannot tell position 256 from 257.
  """
  turned = _turned(x_BTHK.shape[-1], fraction)
  dtype = wide(x_BTHK.dtype)
  rate = base ** (-jnp.arange(0, turned, 2, dtype=dtype) / turned)
  angle = pos_BT[..., None, None].astype(dtype) * rate
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  first, second, rest = jnp.split(x_BTHK, (turned // 2, turned), -1)
  first, second = first.astype(dtype), second.astype(dtype)
  parts = [first * cos - second * sin, first * sin + second * cos]
  return jnp.concatenate([part.astype(x_BTHK.dtype) for part in parts] + [rest], -1)


def _turned(width: int, fraction: float) -> int:
  """How many channels turn: the even number at or below width * fraction."""
  return int(width * fraction) // 2 * 2
