"""Recurrences in which each channel has a state of its own, too large to be kept at every step:

    h_t = a_t * h_{t-1} + b_t u_t,   y_t = Re(sum over n of c_tn h_tn),   h [F, N] for F channels

with a, b and c of the input as in Mamba (S6, arXiv:2312.00752, equation 2: a_t = exp(dt_t A), b_t =
dt_t B_t), or fixed and complex as in S4D (arXiv:2206.11893, equation 6).

The fast form holds one state at a time: a step makes its own a and b, and its output. Backwards it
runs every chunk again from the state before it.
"""

import jax.numpy as jnp

from seqlab.ops.backend import wide
from seqlab.ops.remembering import remembering


def selective_scan(u_BTF, dt_BTF, a_FN, b_BTN, c_BTN, reset_BT, h_BFN):
  """S6. u_BTF: what is read; dt_BTF: time steps, above 0; a_FN: rates, below 0; b_BTN, c_BTN; the
  state before, h_BFN. Returns (y_BTF, h_BFN): every output and the last state, in float32 at least.
  Where reset_BT is true the state is zero before that step.
  """
  dtype = wide(u_BTF.dtype)
  a_FN = a_FN.astype(dtype)

  def step(h_BFN, now):
    u_BF, dt_BF, b_BN, c_BN, reset_B = now
    h_BFN = jnp.where(reset_B[:, None, None], 0, h_BFN)
    h_BFN = jnp.exp(dt_BF[..., None] * a_FN) * h_BFN + (dt_BF * u_BF)[..., None] * b_BN[:, None]
    return h_BFN, jnp.einsum("bfn,bn->bf", h_BFN, c_BN)

  each = [jnp.swapaxes(x, 0, 1).astype(dtype) for x in (u_BTF, dt_BTF, b_BTN, c_BTN)]
  h_BFN, y_TBF = remembering(step, h_BFN.astype(dtype), (*each, reset_BT.T))
  return jnp.swapaxes(y_TBF, 0, 1), h_BFN


def fixed_scan(u_BTF, a_FN, b_FN, c_FN, reset_BT, h_BFN):
  """S4D. u_BTF: what is read; a_FN, b_FN, c_FN: complex; h_BFN: the complex state before. Returns
  and resets as `selective_scan`.
  """
  dtype = wide(u_BTF.dtype)

  def step(h_BFN, now):
    u_BF, reset_B = now
    h_BFN = jnp.where(reset_B[:, None, None], 0, h_BFN)
    h_BFN = a_FN * h_BFN + b_FN * u_BF[..., None]
    return h_BFN, jnp.sum(c_FN * h_BFN, -1).real

  each = jnp.swapaxes(u_BTF, 0, 1).astype(dtype), reset_BT.T
  h_BFN = h_BFN.astype(jnp.result_type(h_BFN, a_FN, b_FN, dtype))
  h_BFN, y_TBF = remembering(step, h_BFN, each)
  return jnp.swapaxes(y_TBF, 0, 1), h_BFN
