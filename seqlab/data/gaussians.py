"""Mixtures of normal distributions in the plane: what a generator misses of them can be counted."""

import numpy as np

from seqlab.data.table import Table
from seqlab.errors import UserError


def ring(
  config_key: str,
  modes: int = 8,
  radius: float = 1.0,
  std: float = 0.01,
  samples: int = 100_000,
  seed: int = 0,
) -> Table:
  """Points around `modes` centres on a circle, a class each (PacGAN, arXiv:1712.04086, section
  4.1).
  """
  angle = 2 * np.pi * np.arange(modes) / max(modes, 1)
  centres = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
  return _mixture(config_key, "ring", centres, std, samples, seed)


def grid(
  config_key: str,
  side: int = 5,
  step: float = 2.0,
  std: float = 0.05,
  samples: int = 100_000,
  seed: int = 0,
) -> Table:
  """Points around `side` x `side` centres, `step` apart, the middle at 0 (PacGAN, section 4.1)."""
  at = step * (np.arange(side) - (side - 1) / 2)
  centres = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
  return _mixture(config_key, "grid", centres, std, samples, seed)


def _mixture(
  key: str, name: str, centres: np.ndarray, std: float, samples: int, seed: int
) -> Table:
  if len(centres) < 2 or not std > 0 or samples < 1 or seed < 0:
    raise UserError(
      f"{key}: {name}() needs two modes or more, std above 0, a sample or more and a seed of 0 or "
      f"more"
    )
  draw = np.random.Generator(np.random.PCG64(seed))
  mode = draw.integers(0, len(centres), samples)
  x = centres[mode] + std * draw.standard_normal((samples, 2))
  columns = {"x_BD": x.astype(np.float32), "label_B": mode.astype(np.int32)}
  return Table(columns, tuple(f"{a:.3g},{b:.3g}" for a, b in centres))
