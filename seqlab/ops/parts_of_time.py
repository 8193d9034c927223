"""Recurrences whose time lies along an axis of the mesh, in as many parts as it has devices:
sequence (or context) parallelism.

Where a state goes in linearly, a part of time is one long step: what it does to any state is told
by a decay, or a matrix, and by its last state from an empty one. Devices tell each other these, and
in gradients the states at the borders of parts. Each makes them of its own part, finds the state
that comes in by taking the steps of the parts before, and goes through its part once more from
there. Martin and Cundy 2018 (arXiv:1709.04057) do so for diagonal recurrences, LASP-2
(arXiv:2502.07563) for linear attention.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec


def in_parts(
  run: Callable,
  told: Callable,
  after: Callable,
  state: Any,
  each: Any,
  axis: str,
  at: int,
  reverse: bool = False,
) -> tuple[Any, Any]:
  """(the state after all of time, what `run` made of each step), where `each` has time, or chunks
  of it, as its axis `at`, and `axis` of the mesh that is set divides it.

  run(state, each): what is made of the steps of a part, time at `at` too. told(each): of a part,
  whatever its state before. after(state, told): the state after a part. Each has the arrays of one
  part, as `each` has them of all; `run` and `told` are mapped over parts (`vmap`). reverse: from
  the last part to the first. What of `each` is no step, but the same for all, stands there once a
  part: if functions took it from around them, each step of a loop would sum its gradient over
  devices.
  """

  def cut(x):
    return x.reshape(*x.shape[:at], parts_along(axis), -1, *x.shape[at + 1 :])

  def joined(x):
    return x.reshape(*x.shape[:at], -1, *x.shape[at + 2 :])

  def everywhere(x_P):  # the rest of it stays as the compiler laid it out
    anyhow = (PartitionSpec.UNCONSTRAINED,) * (x_P.ndim - 1)
    return lax.with_sharding_constraint(x_P, PartitionSpec(None, *anyhow))

  parts = jax.tree.map(cut, each)
  told_P = jax.tree.map(everywhere, jax.vmap(told, at)(parts))
  last, before_P = lax.scan(lambda s, part: (after(s, part), s), state, told_P, reverse=reverse)
  made = jax.vmap(run, (0, at), at)(before_P, parts)
  return last, jax.tree.map(joined, made)


def parts_along(axis: str | None) -> int:
  """How many parts time is cut into, 1 where it is whole."""
  return 1 if axis is None else jax.sharding.get_abstract_mesh().shape[axis]


def with_earlier(run: Callable, before_BW, x_BT, *others, axis: str | None = None):
  """(run(all_BT, *others), the last W steps of all_BT), where all_BT is x_BT, [B, T, ...], behind
  the W steps before it. others: [B, T, ...] too.
  """

  def of_part(before_BW, each):
    x_BT, *others = each
    return run(jnp.concatenate([before_BW, x_BT], 1), *others)

  def told(each):
    x_BT = each[0]
    return x_BT[:, max(x_BT.shape[1] - before_BW.shape[1], 0) :]

  def after(before_BW, last_BW):
    return jnp.concatenate([before_BW, last_BW], 1)[:, last_BW.shape[1] :]

  if axis is None:
    all_BT = jnp.concatenate([before_BW, x_BT], 1)
    return run(all_BT, *others), all_BT[:, x_BT.shape[1] :]
  last_BW, made = in_parts(of_part, told, after, before_BW, (x_BT, *others), axis, 1)
  return made, last_BW


def one_earlier(x_BT, before_B, axis: str | None = None):
  """What was there one step earlier, `before_B` at the first: [B, T, ...] of [B, T, ...]."""
  return with_earlier(lambda all_BT: all_BT[:, :-1], before_B[:, None], x_BT, axis=axis)[0]
