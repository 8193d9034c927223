"""What laws share: inputs to try a mixer on, and how one is said to be broken."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.leaves import by_path
from seqlab.nn.mixers import Mixer

BATCH, LENGTH, WIDTH, VOCAB = 2, 12, 16, 16
DOCUMENTS = ((5, 4, 3), (12,))  # lengths of the documents of each row
TOLERANCE = 2e-5


class LawBroken(AssertionError):
  """A mixer does not keep a law; the message says where and by how much."""


class NotApplicable(Exception):
  """A law that cannot be tried here, with the reason."""


@functools.lru_cache(maxsize=1)  # the laws of one mixer follow each other
def inputs(mixer: Mixer) -> tuple[Any, jax.Array, jax.Array]:
  """Parameters, two rows of inputs and their positions."""
  pos_BT = jnp.asarray([[i for n in row for i in range(n)] for row in DOCUMENTS], jnp.int32)
  draw = np.random.default_rng(0)  # jax's generator takes longer to compile than a law
  x_BTD = jnp.asarray(draw.standard_normal((BATCH, LENGTH, WIDTH)), jnp.float32)
  params = jax.jit(mixer.init)(jax.random.key(0), x_BTD, pos_BT)
  # Biases and scales start at zero and one, where a missing term would not show.
  noise = lambda x: jnp.asarray(x + 0.1 * draw.standard_normal(x.shape), x.dtype)  # noqa: E731
  return jax.tree.map(noise, jax.device_get(params)), x_BTD, pos_BT


def equal(what: str, got: Any, wanted: Any, tolerance: float = TOLERANCE) -> None:
  """Refuses numbers that are further apart than a share of one and their size."""
  got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
  worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
  if not worst <= tolerance:  # also catches NaN
    raise LawBroken(f"{what}: off by {worst:.1e}, {tolerance:.0e} allowed")


def shapes(state: Any) -> dict[str, str]:
  """Of the leaves of a state, in words."""
  return {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in by_path(state).items()}
