"""The GRU (Cho et al., arXiv:1406.1078), its input projection already made.

r, z = sigmoid(x_t + h_{t-1} W);  h_t = (1 - z) n + z h_{t-1};  and the candidate n is
  reset_after:  tanh(x_n + r (h_{t-1} W_n + bias))     as in cuDNN and torch.nn.GRU
  otherwise:    tanh(x_n + (r h_{t-1}) W_n + bias)     as in the paper.
The gates stand in the order reset, update, new. The backward loop only propagates; the weight
gradient is one matmul over all steps after it.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product
from seqlab.ops.rnn import kept, states_before


def gru_naive(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after: bool = True):
  """The loop, one step at a time."""
  dtype = wide(x_BTGF.dtype)
  w_r, w_z, w_n = (w_FGF[:, gate].astype(x_BTGF.dtype) for gate in range(3))

  def times(h_BF, w_FF):
    return jnp.dot(h_BF.astype(w_FF.dtype), w_FF, preferred_element_type=dtype)

  def step(h_BF, inputs):
    x_BGF, reset_B = inputs
    x_r, x_z, x_n = (x_BGF[:, gate].astype(dtype) for gate in range(3))
    h_BF = jnp.where(reset_B[:, None], 0, h_BF)
    r_BF = jax.nn.sigmoid(x_r + times(h_BF, w_r))
    z_BF = jax.nn.sigmoid(x_z + times(h_BF, w_z))
    if reset_after:
      n_BF = jnp.tanh(x_n + r_BF * (times(h_BF, w_n) + bias_F))
    else:
      n_BF = jnp.tanh(x_n + times(r_BF * h_BF, w_n) + bias_F)
    h_BF = (1 - z_BF) * n_BF + z_BF * h_BF
    return h_BF, h_BF

  _, h_TBF = lax.scan(step, h_BF.astype(dtype), (jnp.swapaxes(x_BTGF, 0, 1), reset_BT.T))
  return jnp.swapaxes(h_TBF, 0, 1)


def gru(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after: bool = True):
  """x_BTGF: [B, T, 3, F], w_FGF: [F, 3, F], bias_F: [F], reset_BT: bool, h_BF: the state before.

  Returns h_BTF, every state. Where reset_BT is true the state is zero before that step. The matmuls
  take x's dtype; states are float32 at least.
  """
  if backend() == "reference":
    return gru_naive(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after)
  return _gru(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _gru(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after):
  return _forward(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after)[0]


def _forward(x_BTGF, w_FGF, bias_F, reset_BT, h_BF, reset_after):
  dtype = wide(x_BTGF.dtype)
  w = w_FGF.astype(x_BTGF.dtype)
  bias = bias_F.astype(dtype)
  keep_TB1 = kept(reset_BT, dtype)

  def step(h_BF, inputs):
    x_BGF, keep_B1 = inputs
    h_BF = h_BF * keep_B1
    # m is what the reset gate multiplies (reset_after), or the candidate's whole argument.
    if reset_after:
      p_BGF = product(h_BF.astype(w.dtype), w, (1,), (0,))
      p_r, p_z, m_BF = p_BGF[:, 0], p_BGF[:, 1], p_BGF[:, 2] + bias
    else:
      p_BGF = product(h_BF.astype(w.dtype), w[:, :2], (1,), (0,))
      p_r, p_z = p_BGF[:, 0], p_BGF[:, 1]
    r_BF, z_BF = jax.nn.sigmoid(x_BGF[:, 0] + p_r), jax.nn.sigmoid(x_BGF[:, 1] + p_z)
    if not reset_after:
      m_BF = product((r_BF * h_BF).astype(w.dtype), w[:, 2], (1,), (0,)) + bias
    n_BF = jnp.tanh(x_BGF[:, 2] + (r_BF * m_BF if reset_after else m_BF))
    made = (r_BF, z_BF, n_BF, m_BF) if reset_after else (r_BF, z_BF, n_BF)
    h_BF = n_BF + z_BF * (h_BF - n_BF)
    return h_BF, (h_BF, made)

  inputs = (jnp.swapaxes(x_BTGF, 0, 1), keep_TB1)
  _, (h_TBF, made) = lax.scan(step, h_BF.astype(dtype), inputs)
  like = jnp.zeros((), x_BTGF.dtype)
  return jnp.swapaxes(h_TBF, 0, 1), (h_TBF, made, w_FGF, bias_F, keep_TB1, h_BF, like)


def _backward(reset_after, saved, dh_BTF):
  h_TBF, made, w_FGF, bias_F, keep_TB1, first_h, like = saved
  w = w_FGF.astype(like.dtype)
  before_TBF = states_before(h_TBF, first_h, keep_TB1)

  def step(dh_BF, inputs):
    y_BF, h_BF, (r_BF, z_BF, n_BF, *m), keep_B1 = inputs
    dh_BF = dh_BF + y_BF
    dn_BF = dh_BF * (1 - z_BF) * (1 - n_BF * n_BF)
    dz_BF = dh_BF * (h_BF - n_BF) * z_BF * (1 - z_BF)
    if reset_after:
      dr_BF = dn_BF * m[0] * r_BF * (1 - r_BF)
      d_BGF = jnp.stack([dr_BF, dz_BF, dn_BF * r_BF], 1)
      back_BF = product(d_BGF.astype(w.dtype), w, (1, 2), (1, 2))
    else:
      drh_BF = product(dn_BF.astype(w.dtype), w[:, 2], (1,), (1,))
      dr_BF = drh_BF * h_BF * r_BF * (1 - r_BF)
      d_BGF = jnp.stack([dr_BF, dz_BF, dn_BF], 1)
      back_BF = product(d_BGF[:, :2].astype(w.dtype), w[:, :2], (1, 2), (1, 2)) + drh_BF * r_BF
    return (dh_BF * z_BF + back_BF) * keep_B1, (d_BGF, dn_BF)

  inputs = (jnp.swapaxes(dh_BTF, 0, 1), before_TBF, made, keep_TB1)
  dh_BF, (d_TBGF, dn_TBF) = lax.scan(step, jnp.zeros_like(h_TBF[0]), inputs, reverse=True)
  before, d = lax.optimization_barrier((before_TBF.astype(w.dtype), d_TBGF.astype(w.dtype)))
  if reset_after:
    dw_FGF = product(before, d, (0, 1), (0, 1))
    dx_TBGF = jnp.concatenate([d_TBGF[:, :, :2], dn_TBF[:, :, None]], 2)
  else:
    reset = (made[0] * before_TBF).astype(w.dtype)
    dw_rz = product(before, d[:, :, :2], (0, 1), (0, 1))
    dw_n = product(reset, d[:, :, 2], (0, 1), (0, 1))
    dw_FGF = jnp.concatenate([dw_rz, dw_n[:, None]], 1)
    dx_TBGF = d_TBGF
  dbias_F = jnp.sum(d_TBGF[:, :, 2], (0, 1)).astype(bias_F.dtype)
  dx_BTGF = jnp.swapaxes(dx_TBGF, 0, 1).astype(like.dtype)
  return dx_BTGF, dw_FGF.astype(w_FGF.dtype), dbias_F, None, dh_BF.astype(first_h.dtype)


_gru.defvjp(_forward, _backward)
