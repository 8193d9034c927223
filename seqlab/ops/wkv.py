"""The WKV of RWKV-4 (arXiv:2305.13048, equations 14 and 19 to 22): a mean of values weighted by
exponents of keys that decay, channel by channel.

    y_t = (sum over s < t of exp(k_s - (t - 1 - s) w) v_s + exp(u + k_t) v_t) / (the same of 1)

Sums are kept divided by exp of the largest exponent so far, which has no gradient.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import wide
from seqlab.ops.chunks import NOTHING
from seqlab.ops.parts_of_time import in_parts, parts_along
from seqlab.ops.remembering import remembering


def wkv(k_BTF, v_BTF, w_F, u_F, reset_BT, a_BF, b_BF, m_BF, *, axis=None):
  """k_BTF, v_BTF; w_F: decays a step, above 0; u_F: what a token's own key has more; the state
  before: sums a (of values) and b, and the exponent m they are divided by.

  Returns (y_BTF, a_BF, b_BF, m_BF), float32 at least. Where reset_BT is true the sums are empty
  before that step. axis: of the mesh that is set, where time lies along it and is divided by it.
  """
  dtype = wide(v_BTF.dtype)
  arrays = (x.astype(dtype) for x in (k_BTF, v_BTF, a_BF, b_BF, lax.stop_gradient(m_BF)))
  k_BTF, v_BTF, *state = arrays
  # Of each row, and part of time, its own: devices would sum gradients in each step.
  rows = len(k_BTF), parts_along(axis), k_BTF.shape[2]
  each = k_BTF, v_BTF, reset_BT, *(jnp.broadcast_to(x.astype(dtype), rows) for x in (w_F, u_F))
  if axis is None:
    y_BTF, last = _through(tuple(state), each)
  else:
    run = lambda state, each: _through(state, each)[0]  # noqa: E731
    last, y_BTF = in_parts(run, _told, _after, tuple(state), each, axis, 1)
  return y_BTF, *last


def _through(state, each):
  """Every output, and the last state."""
  *each_BT, w_B1F, u_B1F = each
  w_BF, u_BF = w_B1F[:, 0], u_B1F[:, 0]

  def step(state, now):
    (a_BF, b_BF, m_BF), (k_BF, v_BF, reset_B) = state, now
    reset_B1 = reset_B[:, None]
    a_BF, b_BF = (jnp.where(reset_B1, 0, s) for s in (a_BF, b_BF))
    m_BF = jnp.where(reset_B1, NOTHING, m_BF)
    most_BF = lax.stop_gradient(jnp.maximum(m_BF, u_BF + k_BF))
    old_BF, new_BF = jnp.exp(m_BF - most_BF), jnp.exp(u_BF + k_BF - most_BF)
    y_BF = (old_BF * a_BF + new_BF * v_BF) / (old_BF * b_BF + new_BF)
    return _later((a_BF, b_BF, m_BF), w_BF, (v_BF, 1, k_BF)), y_BF

  last, y_TBF = remembering(step, state, [jnp.swapaxes(x, 0, 1) for x in each_BT])
  return jnp.swapaxes(y_TBF, 0, 1), last


def _later(state, fall_BF, new):
  """The sums after they have decayed by exp(-fall) and new ones have come to them."""
  (a_BF, b_BF, m_BF), (new_a_BF, new_b_BF, new_m_BF) = state, new
  most_BF = lax.stop_gradient(jnp.maximum(m_BF - fall_BF, new_m_BF))
  old_BF, new_BF = jnp.exp(m_BF - fall_BF - most_BF), jnp.exp(new_m_BF - most_BF)
  return old_BF * a_BF + new_BF * new_a_BF, old_BF * b_BF + new_BF * new_b_BF, most_BF


def _told(each):
  """Of a part: how far its exponents fall, and its last state from empty sums."""
  k_BTF, _, reset_BT, w_B1F, _ = each
  fall_BF = jnp.where(jnp.any(reset_BT, 1)[:, None], -NOTHING, k_BTF.shape[1] * w_B1F[:, 0])
  nothing_BF = jnp.zeros_like(k_BTF[:, 0])
  return fall_BF, _through((nothing_BF, nothing_BF, nothing_BF + NOTHING), each)[1]


def _after(state, told):
  return _later(state, *told)
