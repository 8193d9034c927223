"""The linear recurrence h_t = a_t * h_{t-1} + b_t, the core of minGRU (arXiv:2410.01201), LRU and
RG-LRU.

Owes the rest: computed and returned in float32 at least, gradients to a, b and the initial h. Its
gradient is the same recurrence run backwards: with g_t the gradient of h_t alone, s_t = g_t +
a_{t+1} s_{t+1} gives db_t = s_t, da_t = s_t h_{t-1} and dh_0 = a_1 s_1.

Where time lies along an axis of the mesh, a part of it takes h to (product of its a) h + (its last
state from zero): two numbers a channel, and in the gradient one more, are all that devices tell
each other.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.parts_of_time import in_parts, one_earlier


def linear_recurrence_naive(a_BTF, b_BTF, h_BF):
  """The loop as written in the papers."""
  dtype = wide(jnp.result_type(a_BTF, b_BTF))

  def step(h_BF, ab):
    h_BF = ab[0] * h_BF + ab[1]
    return h_BF, h_BF

  a_TBF, b_TBF = (jnp.swapaxes(x, 0, 1).astype(dtype) for x in (a_BTF, b_BTF))
  _, h_TBF = lax.scan(step, h_BF.astype(dtype), (a_TBF, b_TBF))
  return jnp.swapaxes(h_TBF, 0, 1)


def linear_recurrence(a_BTF, b_BTF, h_BF, form: str = "auto", axis: str | None = None):
  """a_BTF, b_BTF: [B, T, F], h_BF: the state before the first step -> h_BTF, every state, float32
  at least.

  form: "sequential" (a loop, fastest on CPU), "associative" (log-depth, for accelerators), "auto".
  axis: of the mesh that is set, where time lies along it and is divided by it.
  """
  if backend() == "reference":
    return linear_recurrence_naive(a_BTF, b_BTF, h_BF)
  if form == "auto":
    form = "sequential" if backend() == "cpu" or a_BTF.shape[1] == 1 else "associative"
  return _recurrence(form, axis)(a_BTF, b_BTF, h_BF)


def _scan(step, carry_BF, inputs, reverse=False):
  """`lax.scan` over the second axis. It reads and writes arrays [B, T, F] where they lie: on a CPU,
  bringing time to the front and back takes half as long again as the recurrence itself.
  """
  length = inputs[0].shape[1]

  def body(i, carried):
    carry_BF, y_BTF = carried
    t = length - 1 - i if reverse else i
    now = [lax.dynamic_index_in_dim(x_BTF, t, 1, keepdims=False) for x_BTF in inputs]
    carry_BF, y_BF = step(carry_BF, now)
    return carry_BF, lax.dynamic_update_index_in_dim(y_BTF, y_BF, t, 1)

  return lax.fori_loop(0, length, body, (carry_BF, jnp.zeros_like(inputs[-1])))


def _states_one_by_one(a_BTF, b_BTF, h_BF):
  def step(h_BF, now):
    a_BF, b_BF = now
    h_BF = a_BF * h_BF + b_BF
    return h_BF, h_BF

  return _scan(step, h_BF, (a_BTF, b_BTF))[1]


def _sums_one_by_one(a_BTF, g_BTF):
  """s_BTF and dh_0, carrying a_t s_t."""

  def step(carry_BF, now):
    a_BF, g_BF = now
    s_BF = g_BF + carry_BF
    return a_BF * s_BF, s_BF

  dh_BF, s_BTF = _scan(step, jnp.zeros_like(g_BTF[:, 0]), (a_BTF, g_BTF), reverse=True)
  return s_BTF, dh_BF


def _combine(left, right):
  return left[0] * right[0], right[0] * left[1] + right[1]


def _states_by_halves(a_BTF, b_BTF, h_BF):
  b_BTF = b_BTF.at[:, 0].add(a_BTF[:, 0] * h_BF)
  return lax.associative_scan(_combine, (a_BTF, b_BTF), axis=1)[1]


def _sums_by_halves(a_BTF, g_BTF):
  later_BTF = jnp.concatenate([a_BTF[:, 1:], jnp.zeros_like(a_BTF[:, :1])], 1)
  _, s_BTF = lax.associative_scan(_combine, (later_BTF, g_BTF), reverse=True, axis=1)
  return s_BTF, a_BTF[:, 0] * s_BTF[:, 0]


def _with_gradient(states, sums, axis):
  """The recurrence with `states(a, b, h)` for its value and `sums(a, g)` for its gradients."""

  @jax.custom_vjp
  def recurrence(a_BTF, b_BTF, h_BF):
    return forward(a_BTF, b_BTF, h_BF)[0]

  def forward(a_BTF, b_BTF, h_BF):
    dtype = wide(jnp.result_type(a_BTF, b_BTF))
    h_BTF = states(*(x.astype(dtype) for x in (a_BTF, b_BTF, h_BF)))
    b_like = jnp.zeros((), b_BTF.dtype)
    return h_BTF, (a_BTF, h_BTF, h_BF, b_like)

  def backward(saved, g_BTF):
    a_BTF, h_BTF, h_BF, b_like = saved
    s_BTF, dh_BF = sums(a_BTF.astype(g_BTF.dtype), g_BTF)
    earlier_BTF = one_earlier(h_BTF, h_BF.astype(h_BTF.dtype), axis)
    da_BTF = (s_BTF * earlier_BTF).astype(a_BTF.dtype)
    return da_BTF, s_BTF.astype(b_like.dtype), dh_BF.astype(h_BF.dtype)

  recurrence.defvjp(forward, backward)
  return recurrence


def _along(axis, states, sums):
  """`states` and `sums` of parts of time along an axis of the mesh."""

  def added(state_BF, told):
    total_BF, own_BF = told
    return total_BF * state_BF + own_BF

  def told_forward(ab):
    a_BTF, b_BTF = ab
    return jnp.prod(a_BTF, 1), states(a_BTF, b_BTF, jnp.zeros_like(b_BTF[:, 0]))[:, -1]

  def told_backward(ag):
    return jnp.prod(ag[0], 1), sums(*ag)[1]

  def sums_of_part(later_BF, ag):
    a_BTF, g_BTF = ag
    return sums(a_BTF, g_BTF.at[:, -1].add(later_BF))[0]

  def states_along(a_BTF, b_BTF, h_BF):
    part = lambda h_BF, ab: states(*ab, h_BF)  # noqa: E731
    return in_parts(part, told_forward, added, h_BF, (a_BTF, b_BTF), axis, 1)[1]

  def sums_along(a_BTF, g_BTF):
    nothing_BF, given = jnp.zeros_like(g_BTF[:, 0]), (a_BTF, g_BTF)
    dh_BF, s_BTF = in_parts(
      sums_of_part, told_backward, added, nothing_BF, given, axis, 1, reverse=True
    )
    return s_BTF, dh_BF

  return states_along, sums_along


def _recurrence(form, axis):
  states, sums = {
    "sequential": (_states_one_by_one, _sums_one_by_one),
    "associative": (_states_by_halves, _sums_by_halves),
  }[form]
  if axis is not None:
    states, sums = _along(axis, states, sums)
  return _with_gradient(states, sums, axis)
