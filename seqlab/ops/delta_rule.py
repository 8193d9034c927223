"""The gated delta rule, which corrects what a matrix says of a key rather than adding to it:

    S_t = exp(g_t) * (S_{t-1} - b_t k_t (k_t^T S_{t-1})) + b_t k_t v_t^T,    y_t = q_t S_t

Gated DeltaNet (arXiv:2412.06464, equation 10); without decay DeltaNet (arXiv:2406.06484, equation
4). The fast form is theirs by chunks: the corrections u_t of a chunk, S_t = exp(g_t) S_{t-1} +
k_t u_t^T, solve a triangular system (the UT transform), which is made for all chunks at once
before the loop from chunk to chunk.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.chunks import (
  ALL,
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


def delta_rule_naive(q_BHTN, k_BHTN, v_BHTK, b_BHT, g_BHT, reset_BT, s_BHNK):
  """The loop, one step at a time."""
  dtype = wide(v_BHTK.dtype)

  def step(s_BHNK, now):
    q_BHN, k_BHN, v_BHK, b_BH, g_BH, reset_B = now
    s_BHNK = jnp.where(reset_B[:, None, None, None], 0, s_BHNK) * jnp.exp(g_BH)[..., None, None]
    u_BHK = b_BH[..., None] * (v_BHK - jnp.einsum("bhn,bhnk->bhk", k_BHN, s_BHNK))
    s_BHNK = s_BHNK + jnp.einsum("bhn,bhk->bhnk", k_BHN, u_BHK)
    return s_BHNK, jnp.einsum("bhn,bhnk->bhk", q_BHN, s_BHNK)

  each = [jnp.moveaxis(x.astype(dtype), 2, 0) for x in (q_BHTN, k_BHTN, v_BHTK, b_BHT, g_BHT)]
  s_BHNK, y_TBHK = lax.scan(step, s_BHNK.astype(dtype), (*each, reset_BT.T))
  return jnp.moveaxis(y_TBHK, 0, 2).astype(v_BHTK.dtype), s_BHNK


def delta_rule(
  q_BHTN, k_BHTN, v_BHTK, b_BHT, g_BHT, reset_BT, s_BHNK, chunk: int = CHUNK, *, axis=None
):
  """q_BHTN, k_BHTN: [B, H, T, N], keys of length 1; v_BHTK: [B, H, T, K]; b_BHT: how much of a
  correction is made, from 0 to 2; g_BHT: logarithms of decays, none above 0; reset_BT: bool;
  s_BHNK: the state before.

  Returns (y_BHTK in v's dtype, s_BHNK): every output, and the last state in float32 at least. Where
  reset_BT is true the state is zero before that step. chunk: steps of a chunk. axis: of the
  mesh that is set, where time lies along it and is divided by it.
  """
  length, dtype = v_BHTK.shape[2], wide(v_BHTK.dtype)
  if backend() == "reference" or length == 1:
    return delta_rule_naive(q_BHTN, k_BHTN, v_BHTK, b_BHT, g_BHT, reset_BT, s_BHNK)
  g_BHT1 = jnp.maximum(g_BHT[..., None].astype(dtype), ALL)
  parts = parts_along(axis)
  size = min(chunk, length // parts)
  decays = Decays.of(g_BHT1, reset_BT, size, parts)
  q, k, v, b = (in_chunks(x, size, parts=parts) for x in (q_BHTN, k_BHTN, v_BHTK, b_BHT[..., None]))
  between, start = decays.between()[..., 0], decays.from_start()
  k_NW, b = jnp.swapaxes(k, 3, 4), b.astype(dtype)
  system = jnp.tril(b * between * matmul(k, k_NW), -1)  # its diagonal of ones is left out
  sides = jnp.concatenate([b * v, b * start * k], -1)
  first, per_state = jnp.split(unit_triangular_solve(system, sides), [v.shape[-1]], -1)
  to_end = (jnp.swapaxes(decays.to_end(), 3, 4) * k_NW).astype(v.dtype)

  def step(s_BHNK, now):
    first, per_state, to_end, whole = now
    u_BHWK = first - matmul(per_state, s_BHNK)
    after = whole[..., None] * s_BHNK + matmul(to_end, u_BHWK)
    return after, (s_BHNK, u_BHWK)

  def told(each):
    return matrix_and_state(step, jnp.zeros_like(first_BHNK), each[:1], each[1:])

  each, first_BHNK = (first, per_state, to_end, decays.whole()), s_BHNK.astype(dtype)
  s_BHNK, (before, u) = over_chunks(step, first_BHNK, each, axis, told, through_matrix)
  scores = (matmul(q, k_NW) * between).astype(v.dtype)
  y = matmul(scores, u) + matmul((q * start).astype(v.dtype), before)
  return out_of_chunks(y.astype(v.dtype), length, parts), s_BHNK
