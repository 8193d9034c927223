"""The linear recurrence h_t = a_t * h_{t-1} + b_t, the core of minGRU (arXiv:2410.01201), LRU and
RG-LRU.

Owes the rest: computed and returned in float32 at least, gradients to a, b and the initial h. Its
gradient is the same recurrence run backwards: with g_t the gradient of h_t alone, s_t = g_t +
a_{t+1} s_{t+1} gives db_t = s_t, da_t = s_t h_{t-1} and dh_0 = a_1 s_1.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide


def linear_recurrence_naive(a_BTF, b_BTF, h_BF):
  """The loop as written in the papers."""
  dtype = wide(jnp.result_type(a_BTF, b_BTF))

  def step(h_BF, ab):
    h_BF = ab[0] * h_BF + ab[1]
    return h_BF, h_BF

  a_TBF, b_TBF = (jnp.swapaxes(x, 0, 1).astype(dtype) for x in (a_BTF, b_BTF))
  _, h_TBF = lax.scan(step, h_BF.astype(dtype), (a_TBF, b_TBF))
  return jnp.swapaxes(h_TBF, 0, 1)


def linear_recurrence(a_BTF, b_BTF, h_BF, form: str = "auto"):
  """a_BTF, b_BTF: [B, T, F], h_BF: the state before the first step -> h_BTF, every state, float32
  at least.

  form: "sequential" (a time-major loop, fastest on CPU), "associative" (log-depth, for
  accelerators), "auto".
  """
  if backend() == "reference":
    return linear_recurrence_naive(a_BTF, b_BTF, h_BF)
  if form == "auto":
    form = "sequential" if backend() == "cpu" or a_BTF.shape[1] == 1 else "associative"
  run = {"sequential": _sequential, "associative": _associative}[form]
  return run(a_BTF, b_BTF, h_BF)


def _run_sequential(a_TBF, b_TBF, h_BF, reverse=False):
  def step(h_BF, ab):
    h_BF = ab[0] * h_BF + ab[1]
    return h_BF, h_BF

  return lax.scan(step, h_BF, (a_TBF, b_TBF), reverse=reverse)[1]


def _run_associative(a_TBF, b_TBF, h_BF, reverse=False):
  def combine(left, right):
    return left[0] * right[0], right[0] * left[1] + right[1]

  first = -1 if reverse else 0
  b_TBF = b_TBF.at[first].add(a_TBF[first] * h_BF)
  return lax.associative_scan(combine, (a_TBF, b_TBF), reverse=reverse)[1]


def _with_reversed_gradient(run):
  """`run(a_TBF, b_TBF, h_BF, reverse)` as a batch-major function whose gradient is `run` in
  reverse.
  """

  def time_major(*arrays):
    dtype = wide(jnp.result_type(*arrays))
    return [jnp.swapaxes(x, 0, 1).astype(dtype) for x in arrays]

  @jax.custom_vjp
  def recurrence(a_BTF, b_BTF, h_BF):
    return forward(a_BTF, b_BTF, h_BF)[0]

  def forward(a_BTF, b_BTF, h_BF):
    a_TBF, b_TBF = time_major(a_BTF, b_BTF)
    h_TBF = run(a_TBF, b_TBF, h_BF.astype(b_TBF.dtype))
    empty = [jnp.zeros((), x.dtype) for x in (a_BTF, b_BTF, h_BF)]
    return jnp.swapaxes(h_TBF, 0, 1), (a_TBF, h_TBF, h_BF, *empty)

  def backward(saved, dh_BTF):
    a_TBF, h_TBF, h_BF, a_like, b_like, h_like = saved
    (g_TBF,) = time_major(dh_BTF)
    later_TBF = jnp.concatenate([a_TBF[1:], jnp.zeros_like(a_TBF[:1])])
    s_TBF = run(later_TBF, g_TBF, jnp.zeros_like(g_TBF[0]), reverse=True)
    earlier_TBF = jnp.concatenate([h_BF[None].astype(h_TBF.dtype), h_TBF[:-1]])
    da_BTF = jnp.swapaxes(s_TBF * earlier_TBF, 0, 1).astype(a_like.dtype)
    db_BTF = jnp.swapaxes(s_TBF, 0, 1).astype(b_like.dtype)
    return da_BTF, db_BTF, (a_TBF[0] * s_TBF[0]).astype(h_like.dtype)

  recurrence.defvjp(forward, backward)
  return recurrence


_sequential = _with_reversed_gradient(_run_sequential)
_associative = _with_reversed_gradient(_run_associative)
