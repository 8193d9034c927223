"""The LSTM with a forget gate (Gers, Schmidhuber & Cummins 2000), its input projection already
made.

i, f, o = sigmoid(.), g = tanh(.) of x_t + h_{t-1} W;  c_t = f c_{t-1} + i g;  h_t = o tanh(c_t).
With peepholes (Gers & Schmidhuber 2000) i and f also see p c_{t-1} and o sees p c_t, unit by unit.
The gates stand in the order input, forget, cell, output, as in torch.nn.LSTM. The forward loop
saves the gates, the backward loop only propagates, and the weight gradient is one matmul over all
steps after it.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product, turned
from seqlab.ops.rnn import kept, states_before


def lstm_naive(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF=None):
  """The loop, one step at a time."""
  dtype = wide(x_BTGF.dtype)

  def step(state, inputs):
    x_BGF, reset_B = inputs
    h_BF, c_BF = (jnp.where(reset_B[:, None], 0, s) for s in state)
    z_BGF = x_BGF + jnp.tensordot(h_BF.astype(x_BTGF.dtype), w_FGF.astype(x_BTGF.dtype), 1)
    i_BF, f_BF, g_BF, o_BF = (z_BGF[:, gate].astype(dtype) for gate in range(4))
    if peep_GF is not None:
      i_BF, f_BF = i_BF + peep_GF[0] * c_BF, f_BF + peep_GF[1] * c_BF
    c_BF = jax.nn.sigmoid(f_BF) * c_BF + jax.nn.sigmoid(i_BF) * jnp.tanh(g_BF)
    if peep_GF is not None:
      o_BF += peep_GF[2] * c_BF
    h_BF = jax.nn.sigmoid(o_BF) * jnp.tanh(c_BF)
    return (h_BF, c_BF), h_BF

  first = (h_BF.astype(dtype), c_BF.astype(dtype))
  (h_BF, c_BF), h_TBF = lax.scan(step, first, (jnp.swapaxes(x_BTGF, 0, 1), reset_BT.T))
  return jnp.swapaxes(h_TBF, 0, 1), h_BF, c_BF


def lstm(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF=None):
  """x_BTGF: [B, T, 4, F], w_FGF: [F, 4, F], reset_BT: bool, h_BF and c_BF: the state before;
  peep_GF: [3, F], of input, forget and output gate, or None.

  Returns (h_BTF, h_BF, c_BF): every output and the last state. Where reset_BT is true the state is
  zero before that step. The matmuls take x's dtype; states and outputs are float32 at least.
  """
  if backend() == "reference":
    return lstm_naive(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF)
  return _lstm(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF)


@jax.custom_vjp
def _lstm(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF):
  return _forward(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF)[0]


def _forward(x_BTGF, w_FGF, reset_BT, h_BF, c_BF, peep_GF):
  dtype = wide(x_BTGF.dtype)
  batch, length = reset_BT.shape
  # Gates side by side in one axis Z = G x F: XLA:CPU takes a third longer over [B, G, F] products.
  w_FZ = w_FGF.astype(x_BTGF.dtype).reshape(w_FGF.shape[0], -1)
  x_TBZ = jnp.swapaxes(x_BTGF.reshape(batch, length, -1), 0, 1)
  keep_TB1 = kept(reset_BT, dtype)
  first_h, first_c = h_BF, c_BF

  def step(state, inputs):
    x_BZ, keep_B1 = inputs
    h_BF, c_BF = (s * keep_B1 for s in state)
    i_BF, f_BF, g_BF, o_BF = jnp.split(
      x_BZ + product(h_BF.astype(w_FZ.dtype), w_FZ, (1,), (0,)), 4, 1
    )
    if peep_GF is not None:
      i_BF, f_BF = i_BF + peep_GF[0] * c_BF, f_BF + peep_GF[1] * c_BF
    i_BF, f_BF, g_BF = jax.nn.sigmoid(i_BF), jax.nn.sigmoid(f_BF), jnp.tanh(g_BF)
    c_BF = f_BF * c_BF + i_BF * g_BF
    if peep_GF is not None:
      o_BF += peep_GF[2] * c_BF
    o_BF = jax.nn.sigmoid(o_BF)
    h_BF = o_BF * jnp.tanh(c_BF)
    return (h_BF, c_BF), (h_BF, c_BF, jnp.concatenate([i_BF, f_BF, g_BF, o_BF], 1))

  first = (h_BF.astype(dtype), c_BF.astype(dtype))
  (h_BF, c_BF), (h_TBF, c_TBF, gates_TBZ) = lax.scan(step, first, (x_TBZ, keep_TB1))
  like = jnp.zeros((), x_BTGF.dtype)
  saved = (h_TBF, c_TBF, gates_TBZ, w_FGF, peep_GF, keep_TB1, first_h, first_c, like)
  return (jnp.swapaxes(h_TBF, 0, 1), h_BF, c_BF), saved


def _backward(saved, gradients):
  dh_BTF, last_dh_BF, last_dc_BF = gradients
  h_TBF, c_TBF, gates_TBZ, w_FGF, peep_GF, keep_TB1, first_h, first_c, like = saved
  w_ZF = turned(w_FGF.astype(like.dtype).reshape(w_FGF.shape[0], -1))

  def step(state, inputs):
    dh_BF, dc_BF = state
    y_BF, c_BF, before_BF, gates_BZ, keep_B1 = inputs
    i_BF, f_BF, g_BF, o_BF = jnp.split(gates_BZ, 4, 1)
    dh_BF = dh_BF + y_BF
    u_BF = jnp.tanh(c_BF)
    do_BF = dh_BF * u_BF * o_BF * (1 - o_BF)
    dc_BF = dc_BF + dh_BF * o_BF * (1 - u_BF * u_BF)
    if peep_GF is not None:
      dc_BF += do_BF * peep_GF[2]
    di_BF = dc_BF * g_BF * i_BF * (1 - i_BF)
    df_BF = dc_BF * before_BF * f_BF * (1 - f_BF)
    dg_BF = dc_BF * i_BF * (1 - g_BF * g_BF)
    d_BZ = jnp.concatenate([di_BF, df_BF, dg_BF, do_BF], 1)
    dh_BF = product(d_BZ.astype(w_ZF.dtype), w_ZF, (1,), (0,)) * keep_B1
    dc_BF = dc_BF * f_BF
    if peep_GF is not None:
      dc_BF += di_BF * peep_GF[0] + df_BF * peep_GF[1]
    return (dh_BF, dc_BF * keep_B1), d_BZ

  before_c = states_before(c_TBF, first_c, keep_TB1)
  inputs = (jnp.swapaxes(dh_BTF, 0, 1), c_TBF, before_c, gates_TBZ, keep_TB1)
  (dh_BF, dc_BF), d_TBZ = lax.scan(step, (last_dh_BF, last_dc_BF), inputs, reverse=True)
  before_h = states_before(h_TBF, first_h, keep_TB1).astype(like.dtype)
  before_h, d = lax.optimization_barrier((before_h, d_TBZ.astype(like.dtype)))
  dw_FGF = product(before_h, d, (0, 1), (0, 1)).astype(w_FGF.dtype).reshape(w_FGF.shape)
  dx_BTGF = jnp.swapaxes(d_TBZ, 0, 1).reshape(*dh_BTF.shape[:2], *w_FGF.shape[1:])
  dx_BTGF = dx_BTGF.astype(like.dtype)
  dpeep_GF = None
  if peep_GF is not None:
    di_TBF, df_TBF, _, do_TBF = jnp.split(d_TBZ, 4, -1)
    seen = (di_TBF * before_c, df_TBF * before_c, do_TBF * c_TBF)
    dpeep_GF = jnp.stack([x.sum((0, 1)) for x in seen]).astype(peep_GF.dtype)
  first = dh_BF.astype(first_h.dtype), dc_BF.astype(first_c.dtype)
  return dx_BTGF, dw_FGF, None, *first, dpeep_GF


_lstm.defvjp(_forward, _backward)
