"""The delta rule of RWKV-7 (arXiv:2503.14456, equation 17), in which what is looked up, what is
taken out and what is put in are three vectors, and each key channel decays by itself:

    S_t = diag(exp(g_t)) S_{t-1} - o_t (l_t^T S_{t-1}) + k_t v_t^T,    y_t = q_t S_t
"""

import jax.numpy as jnp

from seqlab.ops.backend import wide
from seqlab.ops.remembering import remembering


def weighted_delta(q_BHTN, g_BHTN, l_BHTN, o_BHTN, k_BHTN, v_BHTK, reset_BT, s_BHNK):
  """q, k: [B, H, T, N]; g: logarithms of decays, none above 0; l: what is looked up; o: what goes
  out in its place; v_BHTK; reset_BT: bool; s_BHNK: the state before.

  Returns (y_BHTK in v's dtype, s_BHNK): every output, and the last state in float32 at least. Where
  reset_BT is true the state is zero before that step.
  """
  dtype = wide(v_BHTK.dtype)

  def step(s_BHNK, now):
    q_BHN, g_BHN, l_BHN, o_BHN, k_BHN, v_BHK, reset_B = now
    s_BHNK = jnp.where(reset_B[:, None, None, None], 0, s_BHNK)
    said_BHK = jnp.einsum("bhn,bhnk->bhk", l_BHN, s_BHNK)
    s_BHNK = jnp.exp(g_BHN)[..., None] * s_BHNK - jnp.einsum("bhn,bhk->bhnk", o_BHN, said_BHK)
    s_BHNK = s_BHNK + jnp.einsum("bhn,bhk->bhnk", k_BHN, v_BHK)
    return s_BHNK, jnp.einsum("bhn,bhnk->bhk", q_BHN, s_BHNK)

  arrays = q_BHTN, g_BHTN, l_BHTN, o_BHTN, k_BHTN, v_BHTK
  each = [jnp.moveaxis(x.astype(dtype), 2, 0) for x in arrays]
  s_BHNK, y_TBHK = remembering(step, s_BHNK.astype(dtype), (*each, reset_BT.T))
  return jnp.moveaxis(y_TBHK, 0, 2).astype(v_BHTK.dtype), s_BHNK
