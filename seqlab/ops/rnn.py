"""The Elman network (Elman 1990, tanh): h_t = tanh(x_t + h_{t-1} W), with x already projected and
biased.

The backward loop only propagates dh; the weight gradient is one matmul over all steps after it,
where autodiff would add to dW once a step.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product, turned


def rnn_naive(x_BTF, w_FF, reset_BT, h_BF):
  """The loop, one step at a time."""
  dtype = wide(x_BTF.dtype)

  def step(h_BF, inputs):
    x_BF, reset_B = inputs
    h_BF = jnp.where(reset_B[:, None], 0, h_BF)
    h_BF = jnp.tanh(x_BF + jnp.dot(h_BF.astype(x_BTF.dtype), w_FF.astype(x_BTF.dtype)))
    return h_BF.astype(dtype), h_BF.astype(dtype)

  x_TBF, reset_TB = jnp.swapaxes(x_BTF, 0, 1), reset_BT.T
  _, h_TBF = lax.scan(step, h_BF.astype(dtype), (x_TBF, reset_TB))
  return jnp.swapaxes(h_TBF, 0, 1)


def rnn(x_BTF, w_FF, reset_BT, h_BF):
  """x_BTF: [B, T, F], w_FF: [F, F], reset_BT: bool, h_BF: the state before -> h_BTF, every state.

  Where reset_BT is true the state is zero before that step. The matmuls take x's dtype; states are
  float32 at least.
  """
  if backend() == "reference":
    return rnn_naive(x_BTF, w_FF, reset_BT, h_BF)
  return _rnn(x_BTF, w_FF, reset_BT, h_BF)


def kept(reset_BT, dtype):
  """[T, B, 1] factors: 0 where the state is reset before the step, else 1."""
  return jnp.logical_not(reset_BT).T[..., None].astype(dtype)


def states_before(h_TBF, h_BF, keep_TB1):
  """The state that each step was given, from the states each step made and the first one."""
  return jnp.concatenate([h_BF[None].astype(h_TBF.dtype), h_TBF[:-1]]) * keep_TB1


@jax.custom_vjp
def _rnn(x_BTF, w_FF, reset_BT, h_BF):
  return _forward(x_BTF, w_FF, reset_BT, h_BF)[0]


def _forward(x_BTF, w_FF, reset_BT, h_BF):
  dtype = wide(x_BTF.dtype)
  w = w_FF.astype(x_BTF.dtype)
  keep_TB1 = kept(reset_BT, dtype)

  def step(h_BF, inputs):
    x_BF, keep_B1 = inputs
    h_BF = jnp.tanh(x_BF + product((h_BF * keep_B1).astype(w.dtype), w, (1,), (0,)))
    return h_BF, h_BF

  _, h_TBF = lax.scan(step, h_BF.astype(dtype), (jnp.swapaxes(x_BTF, 0, 1), keep_TB1))
  like = jnp.zeros((), x_BTF.dtype)
  return jnp.swapaxes(h_TBF, 0, 1), (h_TBF, w_FF, keep_TB1, h_BF, like)


def _backward(saved, dh_BTF):
  h_TBF, w_FF, keep_TB1, h_BF, like = saved
  w = turned(w_FF.astype(like.dtype))

  def step(dh_BF, inputs):
    g_BF, h_BF, keep_B1 = inputs
    dx_BF = (g_BF + dh_BF) * (1 - h_BF * h_BF)
    return product(dx_BF.astype(w.dtype), w, (1,), (0,)) * keep_B1, dx_BF

  inputs = (jnp.swapaxes(dh_BTF, 0, 1), h_TBF, keep_TB1)
  dh_BF, dx_TBF = lax.scan(step, jnp.zeros_like(h_TBF[0]), inputs, reverse=True)
  before_TBF = states_before(h_TBF, h_BF, keep_TB1)
  before, dx = lax.optimization_barrier((before_TBF.astype(w.dtype), dx_TBF.astype(w.dtype)))
  dw_FF = product(before, dx, (0, 1), (0, 1)).astype(w_FF.dtype)
  dx_BTF = jnp.swapaxes(dx_TBF, 0, 1).astype(like.dtype)
  return dx_BTF, dw_FF, None, dh_BF.astype(h_BF.dtype)


_rnn.defvjp(_forward, _backward)
