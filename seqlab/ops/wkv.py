"""The WKV of RWKV-4 (arXiv:2305.13048, equations 14 and 19 to 22): a mean of values weighted by
exponents of keys that decay, channel by channel.

    y_t = (sum over s < t of exp(k_s - (t - 1 - s) w) v_s + exp(u + k_t) v_t) / (the same of 1)

Sums are kept divided by exp of the largest exponent so far, which has no gradient.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import wide
from seqlab.ops.chunks import NOTHING
from seqlab.ops.remembering import remembering


def wkv(k_BTF, v_BTF, w_F, u_F, reset_BT, a_BF, b_BF, m_BF):
  """k_BTF, v_BTF; w_F: decays a step, above 0; u_F: what a token's own key has more; the state
  before: sums a (of values) and b, and the exponent m they are divided by.

  Returns (y_BTF, a_BF, b_BF, m_BF), float32 at least. Where reset_BT is true the sums are empty
  before that step.
  """
  dtype = wide(v_BTF.dtype)
  w_F, u_F = w_F.astype(dtype), u_F.astype(dtype)

  def step(state, now):
    (a_BF, b_BF, m_BF), (k_BF, v_BF, reset_B) = state, now
    reset_B1 = reset_B[:, None]
    a_BF, b_BF = (jnp.where(reset_B1, 0, s) for s in (a_BF, b_BF))
    m_BF = jnp.where(reset_B1, NOTHING, m_BF)
    most_BF = lax.stop_gradient(jnp.maximum(m_BF, u_F + k_BF))
    old_BF, new_BF = jnp.exp(m_BF - most_BF), jnp.exp(u_F + k_BF - most_BF)
    y_BF = (old_BF * a_BF + new_BF * v_BF) / (old_BF * b_BF + new_BF)
    most_BF = lax.stop_gradient(jnp.maximum(m_BF - w_F, k_BF))
    old_BF, new_BF = jnp.exp(m_BF - w_F - most_BF), jnp.exp(k_BF - most_BF)
    return (old_BF * a_BF + new_BF * v_BF, old_BF * b_BF + new_BF, most_BF), y_BF

  each = [jnp.swapaxes(x, 0, 1).astype(dtype) for x in (k_BTF, v_BTF)]
  first = a_BF.astype(dtype), b_BF.astype(dtype), lax.stop_gradient(m_BF.astype(dtype))
  last, y_TBF = remembering(step, first, (*each, reset_BT.T))
  return jnp.swapaxes(y_TBF, 0, 1), *last
