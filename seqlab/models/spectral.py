"""A network whose every weight is divided by its largest singular value (arXiv:1802.05957), so that
a dense layer stretches no difference of inputs. A kernel's is that of the matrix of its rows, as in
the paper: its layer can still stretch by as much as it reads a pixel more than once.
"""

import math
from typing import Any

import jax

from seqlab import axes
from seqlab.leaves import path_of
from seqlab.models.network import Network
from seqlab.ops.spectral_norm import spectral_norm


class Spectral(Network):
  """What is learned stays as it is: dividing is part of every call, and of its gradient."""

  def __call__(
    self, params: dict, *inputs: Any, key: jax.Array | None = None, method: str = "__call__"
  ) -> Any:
    return super().__call__(normalised(params), *inputs, key=key, method=method)


def normalised(params: dict) -> dict:
  """Every weight, as a matrix from what its product sums over to the rest, divided by its norm;
  biases as they are.
  """

  def leaf(path: tuple, w: jax.Array) -> jax.Array:
    read = len(axes.fan_in_axes(path_of(path)))
    if not read:
      return w
    w = axes.constrain(w, "." * w.ndim)  # or each turn of the iteration would be a sum of devices
    return w / spectral_norm(w.reshape(math.prod(w.shape[:read]), -1))

  return jax.tree_util.tree_map_with_path(leaf, params)
