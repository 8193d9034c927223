"""The delta rule of RWKV-7 (arXiv:2503.14456, equation 17), in which what is looked up, what is
taken out and what is put in are three vectors, and each key channel decays by itself:

    S_t = diag(exp(g_t)) S_{t-1} - o_t (l_t^T S_{t-1}) + k_t v_t^T,    y_t = q_t S_t

The fast form is that of `delta_rule` by chunks: what is looked up in a chunk, u_t = l_t^T S_{t-1},
solves a triangular system. A pair of steps has a decay in each channel, which is the product of
exp(G_t) and exp(-G_s), G the sum of g in the chunk: decays are bounded, so that neither overflows.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.chunks import (
  Decays,
  in_chunks,
  matrix_and_state,
  out_of_chunks,
  over_chunks,
  through_matrix,
)
from seqlab.ops.dense import matmul
from seqlab.ops.parts_of_time import parts_along
from seqlab.ops.triangular import unit_triangular_solve

CHUNK = 32
LEAST = -1.0  # of g: exp(32) still has all its digits in float32


def weighted_delta_naive(q_BHTN, g_BHTN, l_BHTN, o_BHTN, k_BHTN, v_BHTK, reset_BT, s_BHNK):
  """The loop, one step at a time."""
  dtype = wide(v_BHTK.dtype)

  def step(s_BHNK, now):
    q_BHN, g_BHN, l_BHN, o_BHN, k_BHN, v_BHK, reset_B = now
    s_BHNK = jnp.where(reset_B[:, None, None, None], 0, s_BHNK)
    said_BHK = jnp.einsum("bhn,bhnk->bhk", l_BHN, s_BHNK)
    s_BHNK = jnp.exp(g_BHN)[..., None] * s_BHNK - jnp.einsum("bhn,bhk->bhnk", o_BHN, said_BHK)
    s_BHNK = s_BHNK + jnp.einsum("bhn,bhk->bhnk", k_BHN, v_BHK)
    return s_BHNK, jnp.einsum("bhn,bhnk->bhk", q_BHN, s_BHNK)

  arrays = q_BHTN, jnp.maximum(g_BHTN, LEAST), l_BHTN, o_BHTN, k_BHTN, v_BHTK
  each = [jnp.moveaxis(x.astype(dtype), 2, 0) for x in arrays]
  s_BHNK, y_TBHK = lax.scan(step, s_BHNK.astype(dtype), (*each, reset_BT.T))
  return jnp.moveaxis(y_TBHK, 0, 2).astype(v_BHTK.dtype), s_BHNK


def weighted_delta(
  q_BHTN, g_BHTN, l_BHTN, o_BHTN, k_BHTN, v_BHTK, reset_BT, s_BHNK, chunk: int = CHUNK, *, axis=None
):
  """q, k: [B, H, T, N]; g: logarithms of decays, none above 0, those below -1 counting as -1; l:
  what is looked up; o: what goes out in its place; v_BHTK; reset_BT: bool; s_BHNK: the state
  before.

  Returns (y_BHTK in v's dtype, s_BHNK): every output, and the last state in float32 at least. Where
  reset_BT is true the state is zero before that step. chunk: steps of a chunk, at most 64.
  axis: of the mesh that is set, where time lies along it and is divided by it.
  """
  length, dtype = v_BHTK.shape[2], wide(v_BHTK.dtype)
  given = q_BHTN, g_BHTN, l_BHTN, o_BHTN, k_BHTN, v_BHTK
  if backend() == "reference" or length == 1:
    return weighted_delta_naive(*given, reset_BT, s_BHNK)
  parts = parts_along(axis)
  size = min(chunk, length // parts)
  q, g, l, o, k, v = (in_chunks(x.astype(dtype), size, parts=parts) for x in given)
  decays = Decays.of(jnp.maximum(g_BHTN.astype(dtype), LEAST), reset_BT, size, parts)
  seen, fresh = decays.seen(), (decays.began == 0)[..., None]
  total = decays.total
  grown = jnp.exp(-total)
  o_NW, k_NW = (jnp.swapaxes(x * grown, 3, 4) for x in (o, k))
  q, l = q * jnp.exp(total), l * jnp.exp(total - jnp.maximum(g, LEAST))  # l meets what was before
  before = jnp.tril(seen, -1)
  system = jnp.where(before, matmul(l, o_NW), 0)  # its diagonal of ones is left out
  put = matmul(jnp.where(before, matmul(l, k_NW), 0), v)
  sides = jnp.concatenate([put, jnp.where(fresh, l, 0)], -1)
  first, per_state = jnp.split(unit_triangular_solve(system, sides), [v.shape[-1]], -1)
  left = jnp.swapaxes(decays.to_end(), 3, 4)
  k_end, o_end = left * jnp.swapaxes(k, 3, 4), left * jnp.swapaxes(o, 3, 4)

  def step(s_BHNK, now):
    first, added, per_state, o_end, whole = now
    u_BHWK = first + matmul(per_state, s_BHNK)
    return whole[..., None] * s_BHNK + added - matmul(o_end, u_BHWK), (s_BHNK, u_BHWK)

  def told(each):
    return matrix_and_state(step, jnp.zeros_like(first_BHNK), each[:2], each[2:])

  each, first_BHNK = (
    (first, matmul(k_end, v), per_state, o_end, decays.whole()),
    s_BHNK.astype(dtype),
  )
  s_BHNK, (s, u) = over_chunks(step, first_BHNK, each, axis, told, through_matrix)
  y = matmul(jnp.where(seen, matmul(q, k_NW), 0), v) - matmul(
    jnp.where(seen, matmul(q, o_NW), 0), u
  )
  y += jnp.where(fresh, matmul(q, s), 0)
  return out_of_chunks(y.astype(v_BHTK.dtype), length, parts), s_BHNK
