"""The matrix LSTM of xLSTM (arXiv:2405.04517, equations 19 to 27), whose input gate is an exponent:

    S_t = f_t S_{t-1} + i_t k_t v_t^T,   n_t = f_t n_{t-1} + i_t k_t
    y_t = q_t S_t / max(|q_t n_t|, 1),   log f_t = logsigmoid(.), log i_t = anything

S and n are kept divided by exp(m_t), m_t = max(log f_t + m_{t-1}, log i_t), so that nothing
overflows (equations 15 to 17). Outputs do not depend on m, which hence has no gradient. The fast
form is the chunkwise one of arXiv:2503.14376, with n as one more column of S.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.chunks import NOTHING, Decays, in_chunks, out_of_chunks, over_chunks
from seqlab.ops.dense import matmul
from seqlab.ops.parts_of_time import parts_along

CHUNK = 64
TINY = 1e-18  # of a query that finds nothing; the gradient divides by its square


def mlstm_naive(q_BHTN, k_BHTN, v_BHTK, i_BHT, f_BHT, reset_BT, s_BHNK, n_BHN, m_BH):
  """The loop, one step at a time."""
  dtype = wide(v_BHTK.dtype)

  def step(state, now):
    (s_BHNK, n_BHN, m_BH), (q_BHN, k_BHN, v_BHK, i_BH, f_BH, reset_B) = state, now
    kept_BH = f_BH + jnp.where(reset_B[:, None], NOTHING, m_BH)
    m_BH = lax.stop_gradient(jnp.maximum(kept_BH, i_BH))
    f_BH1, i_BH1 = jnp.exp(kept_BH - m_BH)[..., None], jnp.exp(i_BH - m_BH)[..., None]
    s_BHNK = f_BH1[..., None] * s_BHNK + jnp.einsum("bhn,bhk->bhnk", i_BH1 * k_BHN, v_BHK)
    n_BHN = f_BH1 * n_BHN + i_BH1 * k_BHN
    y_BHK = jnp.einsum("bhn,bhnk->bhk", q_BHN, s_BHNK)
    sum_BH = jnp.einsum("bhn,bhn->bh", q_BHN, n_BHN)
    return (s_BHNK, n_BHN, m_BH), y_BHK / _least(sum_BH, m_BH)[..., None]

  each = [jnp.moveaxis(x.astype(dtype), 2, 0) for x in (q_BHTN, k_BHTN, v_BHTK, i_BHT, f_BHT)]
  first = tuple(x.astype(dtype) for x in (s_BHNK, n_BHN, lax.stop_gradient(m_BH)))
  last, y_TBHK = lax.scan(step, first, (*each, reset_BT.T))
  return jnp.moveaxis(y_TBHK, 0, 2).astype(v_BHTK.dtype), *last


def mlstm(
  q_BHTN,
  k_BHTN,
  v_BHTK,
  i_BHT,
  f_BHT,
  reset_BT,
  s_BHNK,
  n_BHN,
  m_BH,
  chunk: int = CHUNK,
  *,
  axis=None,
):
  """q_BHTN, k_BHTN: [B, H, T, N]; v_BHTK: [B, H, T, K]; i_BHT, f_BHT: logarithms of the gates, f's
  none above 0; reset_BT: bool; s_BHNK, n_BHN, m_BH: the state before.

  Returns (y_BHTK in v's dtype, s_BHNK, n_BHN, m_BH): every output, and the last state in float32 at
  least. Where reset_BT is true the state is zero before that step. chunk: steps of a chunk.
  axis: of the mesh that is set, where time lies along it and is divided by it.
  """
  length, dtype = v_BHTK.shape[2], wide(v_BHTK.dtype)
  if backend() == "reference" or length == 1:
    return mlstm_naive(q_BHTN, k_BHTN, v_BHTK, i_BHT, f_BHT, reset_BT, s_BHNK, n_BHN, m_BH)
  parts = parts_along(axis)
  size = min(chunk, length // parts)
  decays = Decays.of(f_BHT[..., None].astype(dtype), reset_BT, size, parts)
  ones_BHT1 = jnp.ones((*v_BHTK.shape[:3], 1), v_BHTK.dtype)
  q, k, v = (
    in_chunks(x, size, parts=parts) for x in (q_BHTN, k_BHTN, jnp.append(v_BHTK, ones_BHT1, -1))
  )
  i = in_chunks(i_BHT.astype(dtype), size, NOTHING, parts)
  total, began = decays.total[..., 0], decays.began

  # Logarithms of what is left of each step's input, at the end of its chunk and at each step.
  end = jnp.where(began == began[..., -1:], total[..., -1:] - total + i, NOTHING)
  most_end = lax.stop_gradient(jnp.max(end, -1))
  added = matmul(jnp.swapaxes(k * jnp.exp(end - most_end[..., None])[..., None], 3, 4), v)
  whole = jnp.where(began[..., -1] == 0, total[..., -1], NOTHING)

  def step(state, now):
    (s, m), (whole, most, added) = state, now
    after = lax.stop_gradient(jnp.maximum(whole + m, most))
    kept, new = jnp.exp(whole + m - after), jnp.exp(most - after)
    return (kept[..., None, None] * s + new[..., None, None] * added, after), (s, m)

  first = jnp.append(s_BHNK, n_BHN[..., None], -1).astype(dtype)

  def told(each):
    whole, most, added = each
    empty = jnp.zeros_like(added[:, :, 0]), jnp.full_like(most[:, :, 0], NOTHING)
    (s, m), _ = over_chunks(step, empty, each)
    return jnp.sum(whole, 2), m, s

  m_BH, each = lax.stop_gradient(m_BH.astype(dtype)), (whole, most_end, added)
  (s_BHNK, m_BH), (before, m_before) = over_chunks(
    step, (first, m_BH), each, axis, told, lambda state, part: step(state, part)[0]
  )

  inside = total[..., :, None] - total[..., None, :] + i[..., None, :]
  inside = jnp.where(decays.seen(), inside, NOTHING)
  across = jnp.where(began == 0, total, NOTHING) + m_before[..., None]
  m = lax.stop_gradient(jnp.maximum(jnp.max(inside, -1), across))[..., None]
  scores = matmul(q, jnp.swapaxes(k, 3, 4)) * jnp.exp(inside - m)
  y = matmul(scores.astype(v.dtype), v)
  y += matmul((q * jnp.exp(across[..., None] - m)).astype(v.dtype), before)
  y = y[..., :-1] / _least(y[..., -1:], m)
  y_BHTK = out_of_chunks(y.astype(v.dtype), length, parts)
  return y_BHTK, s_BHNK[..., :-1], s_BHNK[..., -1], m_BH


def _least(sum_, m):
  """max(|q n|, 1) in units of exp(m), and above 0 where both are nothing."""
  return jnp.maximum(jnp.maximum(jnp.abs(sum_), jnp.exp(-m)), TINY)
