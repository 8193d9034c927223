"""What laws share: inputs to try a mixer on, and how one is said to be broken."""

import functools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seqlab.leaves import by_path
from seqlab.nn.mixers import Mixer

BATCH, LENGTH, WIDTH, VOCAB = 2, 12, 16, 16
PIECES = 7, 4, 1  # lengths that a row is fed in: each is compiled once for all laws of a mixer
DOCUMENTS = ((5, 4, 3), (LENGTH,))  # lengths of the documents of each row
CUTS = (1,) * LENGTH, (7, 1, 4)  # by tokens, and so that a document begins inside the last piece
TOLERANCE = 2e-5
ROUNDED = 1e-5  # share of the largest slope that is taken for nothing


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


@functools.lru_cache(maxsize=1)
def applied(mixer: Mixer) -> Callable[..., tuple[jax.Array, Any]]:
  """The mixer as a compiled function of parameters, inputs, positions and state."""
  return jax.jit(mixer.apply)


def fed(
  mixer: Mixer, x_BTD: jax.Array, pos_BT: jax.Array, cuts: Sequence[int], state: Any
) -> tuple[jax.Array, Any]:
  """Outputs and last state of a row that comes in pieces of these lengths."""
  params, pieces, at = inputs(mixer)[0], [], 0
  for length in cuts:
    piece = slice(at, at + length)
    y_BTD, state = applied(mixer)(params, x_BTD[:, piece], pos_BT[:, piece], state)
    pieces.append(y_BTD)
    at += length
  return jnp.concatenate(pieces, 1), state


def drawn(length: int, *seeds: Any) -> tuple[int, ...]:
  """Cuts of so many tokens into pieces of `PIECES`, in an order that the seeds draw."""
  draw = np.random.default_rng(zlib.crc32(repr(seeds).encode()))
  cuts: list[int] = []
  while left := length - sum(cuts):
    cuts.append(int(draw.choice([n for n in PIECES if n <= left])))
  return tuple(cuts)


def equal(what: str, got: Any, wanted: Any, tolerance: float = TOLERANCE) -> None:
  """Refuses numbers that are further apart than a share of one and their size."""
  got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
  worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
  if not worst <= tolerance:  # also catches NaN
    raise LawBroken(f"{what}: off by {worst:.1e}, {tolerance:.0e} allowed")


def shapes(state: Any) -> dict[str, str]:
  """Of the leaves of a state, in words."""
  return {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in by_path(state).items()}
