"""Attention over a sequence whose time is shared out along an axis of the mesh: a ring (Liu 2023,
arXiv:2310.01889, section 3), in which no device ever has the keys of the whole sequence.

Each device keeps its queries. Keys and values go round from neighbour to neighbour, and what they
add meets what was there under a softmax that is taken as it comes (arXiv:2112.05682, section 2). In
the backward pass they go round once more, and their gradients with them: nothing of a turn is kept
but the output and the logarithm of the softmax's sum.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from seqlab.ops.attention import grouped, shaped
from seqlab.ops.attention_weights import PLAIN, Mask, Scores, attention_naive
from seqlab.ops.backend import backend, wide
from seqlab.ops.dense import product


class _Ring(NamedTuple):
  """What is known when traced. turns: how many devices' keys a query can see."""

  axis: str
  size: int
  turns: int
  window: int | None
  causal: bool
  scale: float | None
  softcap: float | None


class _Given(NamedTuple):
  """Beside queries, keys and values. of_queries, of_keys: segments, times (and prefix) as a mask
  has them.
  """

  of_queries: tuple
  of_keys: tuple
  slopes_H: Any
  kept_BHTS: Any


def ring_attention(q_BHTK, k_BHTK, v_BHTK, mask, scores=PLAIN, kept_BHTS=None, *, axis):
  """`ops.attention.attention` of a whole sequence, every key being of a query too, whose time (T)
  lies along `axis` of the mesh that is set; the axis divides it.

  A window sends keys no further than it reaches. Under a causal mask a device leaves out the
  products with keys that come after all its queries.
  """
  if backend() == "reference":
    return attention_naive(q_BHTK, k_BHTK, v_BHTK, mask, scores, kept_BHTS)
  size = jax.sharding.get_abstract_mesh().shape[axis]
  causal, turns = mask.causal and mask.prefix_BS is None, size
  if causal and mask.window is not None:
    part = q_BHTK.shape[2] // size
    turns = min(size, 1 + -(-(mask.window - 1) // part))
  ring = _Ring(axis, size, turns, mask.window, mask.causal, scores.scale, scores.softcap)
  prefix = () if mask.prefix_BS is None else (mask.prefix_BS,)
  given = _Given(
    (mask.segment_BT, jnp.asarray(mask.time_T)),
    (mask.segment_BS, jnp.asarray(mask.time_S), *prefix),
    scores.slopes_H,
    kept_BHTS,
  )
  return _ring(q_BHTK, k_BHTK, v_BHTK, given, ring)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _ring(q, k, v, given, ring):
  return _ring_forward(q, k, v, given, ring)[0]


def _ring_forward(q, k, v, given, ring):
  y, log_BJGT1 = _along(ring, _forward, (q, k, v), given, "qL")
  return y, (q, k, v, given, y, log_BJGT1)


def _ring_backward(ring, saved, dy):
  q, k, v, given, y, log_BJGT1 = saved
  return *_along(ring, _backward, (q, k, v, y, dy, log_BJGT1), given, "qqq"), None


_ring.defvjp(_ring_forward, _ring_backward)


def _along(ring, run, arrays, given, results):
  """Runs `run(ring, given, *arrays)` on each device's part of time, the other axes of the mesh
  being the compiler's. results: "q", laid out as queries, or "L", grouped heads.
  """

  def time(at, ndim):
    return PartitionSpec(*(ring.axis if i == at else None for i in range(ndim)))

  def marks(every):
    return tuple(time(x.ndim - 1, x.ndim) for x in every)

  specs = _Given(
    marks(given.of_queries),
    marks(given.of_keys),
    None if given.slopes_H is None else PartitionSpec(),
    None if given.kept_BHTS is None else time(2, 4),
  )
  spread = jax.shard_map(
    lambda given, *arrays: run(ring, given, *arrays),
    in_specs=(specs, *(time(x.ndim - 2, x.ndim) for x in arrays)),
    out_specs=tuple(time(2 if kind == "q" else 3, 4 if kind == "q" else 5) for kind in results),
    axis_names={ring.axis},
    check_vma=False,
  )
  return spread(given, *arrays)


def _round(ring, turn, fixed, made, carry):
  """`carry, made = turn(hop, carry, fixed, made)` while `fixed` and `made` go round; at `hop` those
  are here that came from so many devices before this one.
  """

  def hop_on(state, hop):
    carry, fixed, made = state
    ahead = _moved(ring, fixed, 1)  # on its way while the products are made
    carry, made = turn(hop, carry, fixed, made)
    return (carry, ahead, _moved(ring, made, 1)), None

  (carry, fixed, made), _ = lax.scan(hop_on, (carry, fixed, made), jnp.arange(ring.turns - 1))
  return turn(ring.turns - 1, carry, fixed, made)


def _moved(ring, tree, by):
  pairs = [(i, (i + by) % ring.size) for i in range(ring.size)]
  return jax.tree.map(lambda x: lax.ppermute(x, ring.axis, pairs), tree)


def _unless_later(ring, given, hop, run, state):
  """`run(*state)`, or `state` where all keys are later than all queries and none is seen."""
  if not ring.causal or len(given.of_keys) > 2:
    return run(*state)
  return lax.cond(hop <= lax.axis_index(ring.axis), run, lambda *same: same, *state)


def _scores(ring, given, of_keys, q_BJGTK, k_BJSK):
  """What the softmax is taken of, -inf where nothing is seen."""
  (segment_BT, time_T), (segment_BS, time_S, *prefix) = given.of_queries, of_keys
  mask = Mask(segment_BT, segment_BS, time_T, time_S, ring.window, ring.causal, *prefix)
  s = product(q_BJGTK, k_BJSK, (4,), (3,), (0, 1), (0, 1))
  scores = Scores(ring.scale, ring.softcap, given.slopes_H)
  s = shaped(s, q_BJGTK.shape[-1], mask, scores)
  return jnp.where(mask.seen()[:, None, None], s, -jnp.inf)


def _kept(ring, given, hop, p_BJGTS):
  """The factors of dropout for the keys that are here."""
  if given.kept_BHTS is None:
    return None
  count = p_BJGTS.shape[-1]
  at = (lax.axis_index(ring.axis) - hop) % ring.size * count
  kept = lax.dynamic_slice_in_dim(given.kept_BHTS, at, count, 3)
  return grouped(kept, p_BJGTS.shape[1])


def _forward(ring, given, q_BHTK, k_BHTK, v_BHTK):
  """(y_BHTK, the logarithm of the softmax's sum)."""
  q, dtype = grouped(q_BHTK, k_BHTK.shape[1]), wide(q_BHTK.dtype)

  def turn(hop, carry, fixed, made):
    k, v, of_keys = fixed

    def more(y, top, total):
      s = _scores(ring, given, of_keys, q, k)
      higher = jnp.maximum(top, jnp.max(s, -1, keepdims=True))
      p, before = jnp.exp(s - higher), jnp.exp(top - higher)
      total = total * before + jnp.sum(p, -1, keepdims=True)
      kept = _kept(ring, given, hop, p)
      p = (p if kept is None else p * kept).astype(q.dtype)
      return y * before + product(p, v, (4,), (2,), (0, 1), (0, 1)), higher, total

    return _unless_later(ring, given, hop, more, carry), made

  empty = jnp.zeros((*q.shape[:4], 1), dtype)
  # The lowest finite number where nothing was seen, so that differences with it are no NaN.
  start = jnp.zeros((*q.shape[:4], v_BHTK.shape[-1]), dtype), empty + jnp.finfo(dtype).min, empty
  (y, top, total), _ = _round(ring, turn, (k_BHTK, v_BHTK, given.of_keys), (), start)
  y = jnp.where(total > 0, y / total, 0).astype(q.dtype)
  return y.reshape(*q_BHTK.shape[:3], -1), jnp.where(total > 0, top + jnp.log(total), 0)


def _backward(ring, given, q_BHTK, k_BHTK, v_BHTK, y_BHTK, dy_BHTK, log_BJGT1):
  """Gradients of queries, keys and values."""
  q, y, dy = (grouped(x, k_BHTK.shape[1]) for x in (q_BHTK, y_BHTK, dy_BHTK))
  dtype = wide(q.dtype)
  inner = jnp.sum(dy.astype(dtype) * y, -1, keepdims=True)

  def turn(hop, dq, fixed, made):
    k, v, of_keys = fixed

    def more(dq, dk, dv):
      s, back = jax.vjp(lambda q, k: _scores(ring, given, of_keys, q, k), q, k)
      p = jnp.exp(s - log_BJGT1)
      dp = product(dy, v, (4,), (3,), (0, 1), (0, 1))
      kept = _kept(ring, given, hop, p)
      shown, dp = (p, dp) if kept is None else (p * kept, dp * kept)
      more_q, more_k = back(p * (dp - inner))
      more_v = product(shown.astype(q.dtype), dy, (2, 3), (2, 3), (0, 1), (0, 1))
      return dq + more_q, dk + more_k, dv + more_v

    dq, *made = _unless_later(ring, given, hop, more, (dq, *made))
    return dq, tuple(made)

  dq, dk, dv = (jnp.zeros(x.shape, dtype) for x in (q, k_BHTK, v_BHTK))
  dq, made = _round(ring, turn, (k_BHTK, v_BHTK, given.of_keys), (dk, dv), dq)
  dk, dv = _moved(ring, made, 1 - ring.turns) if ring.turns > 1 else made  # home
  return dq.reshape(q_BHTK.shape).astype(q.dtype), dk.astype(k_BHTK.dtype), dv.astype(v_BHTK.dtype)
