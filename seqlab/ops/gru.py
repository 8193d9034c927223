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
from seqlab.ops.dense import product, turned
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
  batch, length = reset_BT.shape
  w_F2F, w_FF, w_FZ = _weights(w_FGF, x_BTGF.dtype)
  bias = bias_F.astype(dtype)
  keep_TB1 = kept(reset_BT, dtype)
  x_TBZ = jnp.swapaxes(x_BTGF.reshape(batch, length, -1), 0, 1)

  def step(h_BF, inputs):
    x_BZ, keep_B1 = inputs
    x_r, x_z, x_n = jnp.split(x_BZ, 3, 1)
    h_BF = h_BF * keep_B1
    # m is what the reset gate multiplies.
    if reset_after:
      p_r, p_z, p_n = jnp.split(product(h_BF.astype(w_FZ.dtype), w_FZ, (1,), (0,)), 3, 1)
      r_BF, z_BF, m_BF = jax.nn.sigmoid(x_r + p_r), jax.nn.sigmoid(x_z + p_z), p_n + bias
      n_BF = jnp.tanh(x_n + r_BF * m_BF)
    else:
      p_r, p_z = jnp.split(product(h_BF.astype(w_F2F.dtype), w_F2F, (1,), (0,)), 2, 1)
      r_BF, z_BF, m_BF = jax.nn.sigmoid(x_r + p_r), jax.nn.sigmoid(x_z + p_z), h_BF
      n_BF = jnp.tanh(x_n + product((r_BF * m_BF).astype(w_FF.dtype), w_FF, (1,), (0,)) + bias)
    made = jnp.concatenate([r_BF, z_BF, n_BF, m_BF], 1)
    h_BF = n_BF + z_BF * (h_BF - n_BF)
    return h_BF, (h_BF, made)

  _, (h_TBF, made) = lax.scan(step, h_BF.astype(dtype), (x_TBZ, keep_TB1))
  like = jnp.zeros((), x_BTGF.dtype)
  return jnp.swapaxes(h_TBF, 0, 1), (h_TBF, made, w_FGF, bias_F, keep_TB1, h_BF, like)


def _backward(reset_after, saved, dh_BTF):
  h_TBF, made, w_FGF, bias_F, keep_TB1, first_h, like = saved
  w_2FF, w_FF, w_ZF = map(turned, _weights(w_FGF, like.dtype))
  before_TBF = states_before(h_TBF, first_h, keep_TB1)

  def step(dh_BF, inputs):
    y_BF, h_BF, made, keep_B1 = inputs
    r_BF, z_BF, n_BF, m_BF = jnp.split(made, 4, 1)
    dh_BF = dh_BF + y_BF
    dn_BF = dh_BF * (1 - z_BF) * (1 - n_BF * n_BF)
    dz_BF = dh_BF * (h_BF - n_BF) * z_BF * (1 - z_BF)
    if reset_after:
      dm_BF = dn_BF
    else:
      dm_BF = product(dn_BF.astype(w_FF.dtype), w_FF, (1,), (0,))
    dr_BF = dm_BF * m_BF * r_BF * (1 - r_BF)
    d_BZ = jnp.concatenate([dr_BF, dz_BF, dn_BF], 1)
    if reset_after:
      back_BZ = jnp.concatenate([dr_BF, dz_BF, dn_BF * r_BF], 1)
      back_BF = product(back_BZ.astype(w_ZF.dtype), w_ZF, (1,), (0,))
    else:
      back_BZ = jnp.concatenate([dr_BF, dz_BF], 1)
      back_BF = product(back_BZ.astype(w_2FF.dtype), w_2FF, (1,), (0,)) + dm_BF * r_BF
    return (dh_BF * z_BF + back_BF) * keep_B1, (d_BZ, back_BZ)

  inputs = (jnp.swapaxes(dh_BTF, 0, 1), before_TBF, made, keep_TB1)
  dh_BF, (d_TBZ, back_TBZ) = lax.scan(step, jnp.zeros_like(h_TBF[0]), inputs, reverse=True)
  before, back = before_TBF.astype(like.dtype), back_TBZ.astype(like.dtype)
  before, back, d_TBZ = lax.optimization_barrier((before, back, d_TBZ))
  dw_FZ = product(before, back, (0, 1), (0, 1))
  hidden = first_h.shape[1]
  dn_TBF = d_TBZ[..., 2 * hidden :]
  if reset_after:
    dbias_F = jnp.sum(back[..., 2 * hidden :], (0, 1), dtype=d_TBZ.dtype)
  else:
    reset = lax.optimization_barrier((made[..., :hidden] * before_TBF).astype(like.dtype))
    dw_n = product(reset, dn_TBF.astype(like.dtype), (0, 1), (0, 1))
    dw_FZ = jnp.concatenate([dw_FZ, dw_n], 1)
    dbias_F = jnp.sum(dn_TBF, (0, 1))
  dw_FGF = dw_FZ.reshape(w_FGF.shape).astype(w_FGF.dtype)
  dx_BTGF = jnp.swapaxes(d_TBZ, 0, 1).reshape(*dh_BTF.shape[:2], *w_FGF.shape[1:])
  dx_BTGF = dx_BTGF.astype(like.dtype)
  return dx_BTGF, dw_FGF, dbias_F.astype(bias_F.dtype), None, dh_BF.astype(first_h.dtype)


def _weights(w_FGF, dtype):
  """The weights of the two gates, of the candidate, and of all three, as matrices.

  Gates stand side by side in one axis: XLA:CPU takes a third longer over [B, G, F] products.
  """
  w_FGF = w_FGF.astype(dtype)
  rows = w_FGF.shape[0]
  return w_FGF[:, :2].reshape(rows, -1), w_FGF[:, 2], w_FGF.reshape(rows, -1)


_gru.defvjp(_forward, _backward)
