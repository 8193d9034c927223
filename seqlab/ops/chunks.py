"""Time in chunks, for recurrences whose state decays: within a chunk all pairs of steps meet at
once, and from chunk to chunk goes a state.

Owes the rest exact resets: what stands on two sides of one is masked, never divided out, and a
decay is the exponent of a sum that is zero or negative.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.parts_of_time import in_parts

ALL = -100.0  # of a decay that leaves nothing: differences of larger sums would lose their digits
NOTHING = -1e30  # the logarithm of nothing; finite, so that differences of two are


def in_chunks(x_BHT, size: int, fill: float = 0, parts: int = 1):
  """[B, H, T, ...] -> [B, H, chunks, size, ...], the last chunk of each part of time filled up with
  `fill`, so that none lies in two.
  """
  rows, heads, length, *rest = x_BHT.shape
  sides = (0, 0), (0, 0), (0, 0), (0, -(length // parts) % size), *((0, 0),) * len(rest)
  filled = jnp.pad(x_BHT.reshape(rows, heads, parts, -1, *rest), sides, constant_values=fill)
  return filled.reshape(rows, heads, -1, size, *rest)


def out_of_chunks(x_BHCW, length: int, parts: int = 1):
  """The reverse of `in_chunks`."""
  rows, heads, _, _, *rest = x_BHCW.shape
  x_BHPT = x_BHCW.reshape(rows, heads, parts, -1, *rest)[:, :, :, : length // parts]
  return x_BHPT.reshape(rows, heads, length, *rest)


class Decays(NamedTuple):
  """Of chunks [B, H, C, W]: `total` is what has decayed since before the chunk, or since its
  document began, [B, H, C, W, N]; `began` counts the documents that began in it so far, [B, 1, C,
  W].
  """

  total: jax.Array
  began: jax.Array

  @classmethod
  def of(cls, g_BHTN, reset_BT, size: int, parts: int = 1) -> "Decays":
    """From the logarithms of decays and the starts of documents of whole sequences.

    Each document is summed by itself: differences of sums would otherwise have the digits of the
    documents before it.
    """
    began = jnp.cumsum(in_chunks(reset_BT[:, None].astype(jnp.int32), size, parts=parts), 3)
    g = in_chunks(jnp.where(reset_BT[:, None, :, None], 0, g_BHTN), size, parts=parts)
    mine = _seen(began).astype(g.dtype)
    return cls(jnp.einsum("bocts,bhcsn->bhctn", mine, g, precision="highest"), began)

  def from_start(self):
    """What is left of the state before the chunk at each step, [B, H, C, W, N]."""
    return jnp.where((self.began == 0)[..., None], jnp.exp(self.total), 0)

  def to_end(self):
    """What is left at the end of the chunk of what each step added, [B, H, C, W, N]."""
    same = (self.began == self.began[..., -1:])[..., None]
    return _exp_where(same, self.total[..., -1:, :] - self.total)

  def whole(self):
    """What is left of the state before the chunk after it, [B, H, C, N]."""
    return self.from_start()[..., -1, :]

  def seen(self):
    """Whether what a step (second axis) adds reaches another, [B, 1, C, W, W]."""
    return _seen(self.began)

  def between(self):
    """What is left at a step (first axis) of what another (second) added, [B, H, C, W, W, N]."""
    apart = self.total[..., :, None, :] - self.total[..., None, :, :]
    return _exp_where(self.seen()[..., None], apart)


def _exp_where(mask, x):
  """exp(x), and 0 elsewhere: masked twice, as an exponent may overflow there, and 0 * inf would
  reach gradients.
  """
  return jnp.where(mask, jnp.exp(jnp.where(mask, x, 0)), 0)


def _seen(began):
  """[..., W] -> [..., W, W]: whether a step is of the document of another, and not before it."""
  order = jnp.tril(jnp.ones((began.shape[-1],) * 2, bool))
  return order & (began[..., :, None] == began[..., None, :])


def over_chunks(step, state, each, axis=None, told=None, after=None):
  """`lax.scan(step, state, each)` from chunk to chunk, of arrays [B, H, C, ...], in and out.

  axis: of the mesh, where chunks lie along it; told and after then say, as `in_parts` has them,
  what a part of them does to a state.
  """
  if axis is not None:
    return in_parts(lambda s, e: over_chunks(step, s, e)[1], told, after, state, each, axis, 2)
  state, made = lax.scan(step, state, jax.tree.map(lambda x: jnp.moveaxis(x, 2, 0), each))
  return state, jax.tree.map(lambda x: jnp.moveaxis(x, 0, 2), made)


def matrix_and_state(step, empty_BHNK, added, others):
  """(M_BHNN, S_BHNK) such that chunks take any state s to M s + S: what they make of an empty one
  and, beside it, of the unit matrix to which they add nothing. `step` takes (*added, *others) of
  each chunk, of which `added` have the columns (K) of a state.
  """
  rows, columns = empty_BHNK.shape[2:]
  unit = jnp.broadcast_to(
    jnp.eye(rows, dtype=empty_BHNK.dtype), (*empty_BHNK.shape[:2], rows, rows)
  )
  first = jnp.concatenate([empty_BHNK, unit], -1)
  added = [jnp.pad(x, (*((0, 0),) * (x.ndim - 1), (0, rows))) for x in added]
  last, _ = over_chunks(step, first, (*added, *others))
  return last[..., columns:], last[..., :columns]


def through_matrix(s_BHNK, told):
  """The state after what `matrix_and_state` told."""
  return jnp.matmul(told[0], s_BHNK, precision="highest") + told[1]
