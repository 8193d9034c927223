"""The scalar LSTM of xLSTM (arXiv:2405.04517, equations 8 to 18), its input projection already
made:

    i, f, z, o of x_t + h_{t-1} R (R within each head),   z = tanh(.), o = sigmoid(.)
    c_t = f c_{t-1} + i z,   n_t = f n_{t-1} + i,   h_t = o c_t / n_t

with log i = anything and log f = logsigmoid(.). c and n are kept divided by exp(m_t), m_t =
max(log f + m_{t-1}, log i); outputs do not depend on m, which hence has no gradient. The backward
loop only propagates, and the weight gradient is one product over all steps after it.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.chunks import NOTHING
from seqlab.ops.dense import product, turned
from seqlab.ops.rnn import kept, states_before


def slstm_naive(x_BTHGK, w_HKGK, reset_BT, h_BHK, c_BHK, n_BHK, m_BHK):
  """The loop, one step at a time."""
  dtype = wide(x_BTHGK.dtype)

  def step(state, now):
    x_BHGK, reset_B = now
    h_BHK, c_BHK, n_BHK, m_BHK = state
    h_BHK, c_BHK, n_BHK = (jnp.where(reset_B[:, None, None], 0, s) for s in (h_BHK, c_BHK, n_BHK))
    w = w_HKGK.astype(x_BHGK.dtype)
    gates_BHGK = x_BHGK + jnp.einsum("bhk,hkgj->bhgj", h_BHK.astype(w.dtype), w)
    i_BHK, f_BHK, z_BHK, o_BHK = (gates_BHGK[:, :, gate].astype(dtype) for gate in range(4))
    kept_BHK = jax.nn.log_sigmoid(f_BHK) + jnp.where(reset_B[:, None, None], NOTHING, m_BHK)
    m_BHK = lax.stop_gradient(jnp.maximum(kept_BHK, i_BHK))
    i_BHK, f_BHK = jnp.exp(i_BHK - m_BHK), jnp.exp(kept_BHK - m_BHK)
    c_BHK = f_BHK * c_BHK + i_BHK * jnp.tanh(z_BHK)
    n_BHK = f_BHK * n_BHK + i_BHK
    h_BHK = jax.nn.sigmoid(o_BHK) * c_BHK / n_BHK
    return (h_BHK, c_BHK, n_BHK, m_BHK), h_BHK

  first = [x.astype(dtype) for x in (h_BHK, c_BHK, n_BHK, lax.stop_gradient(m_BHK))]
  last, h_TBHK = lax.scan(step, tuple(first), (jnp.moveaxis(x_BTHGK, 1, 0), reset_BT.T))
  return jnp.moveaxis(h_TBHK, 0, 1), *last


def slstm(x_BTHGK, w_HKGK, reset_BT, h_BHK, c_BHK, n_BHK, m_BHK):
  """x_BTHGK: [B, T, H, 4, K], gates input, forget, cell, output; w_HKGK: [H, K, 4, K]; reset_BT:
  bool; the state before: h, c, n and m, [B, H, K].

  Returns (h_BTHK, h_BHK, c_BHK, n_BHK, m_BHK): every output and the last state, float32 at least.
  Where reset_BT is true the state is zero before that step. The matmuls take x's dtype.
  """
  arguments = x_BTHGK, w_HKGK, reset_BT, h_BHK, c_BHK, n_BHK, m_BHK
  return slstm_naive(*arguments) if backend() == "reference" else _slstm(*arguments)


@jax.custom_vjp
def _slstm(x_BTHGK, w_HKGK, reset_BT, h_BHK, c_BHK, n_BHK, m_BHK):
  return _forward(x_BTHGK, w_HKGK, reset_BT, h_BHK, c_BHK, n_BHK, m_BHK)[0]


# Heads stand first and gates side by side, Z = G x K: a step is a product [B, K] x [K, Z] a head.


def _forward(x_BTHGK, w_HKGK, reset_BT, *start):
  dtype = wide(x_BTHGK.dtype)
  batch, length, heads, _, width = x_BTHGK.shape
  w_HKZ = w_HKGK.astype(x_BTHGK.dtype).reshape(heads, width, -1)
  x_THBZ = x_BTHGK.transpose(1, 2, 0, 3, 4).reshape(length, heads, batch, -1)
  keep_TB1 = kept(reset_BT, dtype)

  def step(state, now):
    x_HBZ, keep_B1 = now
    h_HBK, c_HBK, n_HBK = (s * keep_B1 for s in state[:3])
    made_HBZ = product(h_HBK.astype(w_HKZ.dtype), w_HKZ, (2,), (1,), (0,), (0,))
    i_HBK, f_HBK, z_HBK, o_HBK = jnp.split(x_HBZ + made_HBZ, 4, 2)
    f_HBK, z_HBK, o_HBK = jax.nn.log_sigmoid(f_HBK), jnp.tanh(z_HBK), jax.nn.sigmoid(o_HBK)
    kept_HBK = f_HBK + jnp.where(keep_B1 > 0, state[3], NOTHING)
    m_HBK = jnp.maximum(kept_HBK, i_HBK)
    i_HBK, left_HBK = jnp.exp(i_HBK - m_HBK), jnp.exp(kept_HBK - m_HBK)
    c_HBK, n_HBK = left_HBK * c_HBK + i_HBK * z_HBK, left_HBK * n_HBK + i_HBK
    h_HBK = o_HBK * c_HBK / n_HBK
    gates = i_HBK, left_HBK, -jnp.expm1(f_HBK), z_HBK, o_HBK
    return (h_HBK, c_HBK, n_HBK, m_HBK), (h_HBK, c_HBK, n_HBK, jnp.concatenate(gates, 2))

  first = tuple(jnp.swapaxes(s, 0, 1).astype(dtype) for s in start)
  last, (h_THBK, c_THBK, n_THBK, gates_THBZ) = lax.scan(step, first, (x_THBZ, keep_TB1))
  like = jnp.zeros((), x_BTHGK.dtype)
  saved = h_THBK, c_THBK, n_THBK, gates_THBZ, w_HKGK, keep_TB1, start, like
  return (h_THBK.transpose(2, 0, 1, 3), *(jnp.swapaxes(s, 0, 1) for s in last)), saved


def _backward(saved, gradients):
  h_THBK, c_THBK, n_THBK, gates_THBZ, w_HKGK, keep_TB1, start, like = saved
  length, heads, batch, width = h_THBK.shape
  w_HZK = turned(w_HKGK.astype(like.dtype).reshape(heads, width, -1))

  def step(state, now):
    dh_HBK, dc_HBK, dn_HBK = state
    y_HBK, c_HBK, n_HBK, c_before, n_before, gates_HBZ, keep_B1 = now
    i_HBK, left_HBK, closed_HBK, z_HBK, o_HBK = jnp.split(gates_HBZ, 5, 2)
    dh_HBK = (dh_HBK + y_HBK) / n_HBK
    dc_HBK = dc_HBK + dh_HBK * o_HBK
    dn_HBK = dn_HBK - dh_HBK * o_HBK * c_HBK / n_HBK
    di_HBK = (dc_HBK * z_HBK + dn_HBK) * i_HBK
    df_HBK = (dc_HBK * c_before + dn_HBK * n_before) * left_HBK * closed_HBK
    dz_HBK = dc_HBK * i_HBK * (1 - z_HBK * z_HBK)
    do_HBK = dh_HBK * c_HBK * o_HBK * (1 - o_HBK)
    d_HBZ = jnp.concatenate([di_HBK, df_HBK, dz_HBK, do_HBK], 2)
    dh_HBK = product(d_HBZ.astype(w_HZK.dtype), w_HZK, (2,), (1,), (0,), (0,)) * keep_B1
    left_HBK = left_HBK * keep_B1
    return (dh_HBK, dc_HBK * left_HBK, dn_HBK * left_HBK), d_HBZ

  keep_T1B1 = keep_TB1[:, None]
  before = [
    states_before(each, jnp.swapaxes(s, 0, 1), keep_T1B1)
    for each, s in zip((h_THBK, c_THBK, n_THBK), start, strict=False)
  ]
  now = (gradients[0].transpose(1, 2, 0, 3), c_THBK, n_THBK, *before[1:], gates_THBZ, keep_T1B1)
  last = tuple(jnp.swapaxes(g, 0, 1) for g in gradients[1:4])
  first, d_THBZ = lax.scan(step, last, now, reverse=True)
  h, d = lax.optimization_barrier((before[0].astype(like.dtype), d_THBZ.astype(like.dtype)))
  dw_HKGK = product(h, d, (0, 2), (0, 2), (1,), (1,)).astype(w_HKGK.dtype).reshape(w_HKGK.shape)
  dx = d_THBZ.reshape(length, heads, batch, 4, width).transpose(2, 0, 1, 3, 4).astype(like.dtype)
  starts = [jnp.swapaxes(g, 0, 1).astype(s.dtype) for g, s in zip(first, start, strict=False)]
  return dx, dw_HKGK, None, *starts, jnp.zeros_like(start[3])


_slstm.defvjp(_forward, _backward)
