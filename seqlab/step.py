"""One training step and one evaluation step: the only functions that are jitted for training.

The state is `{step, params, opt, extra}`, plain dicts. Keys are folded from seed and step, so there
is no generator to save, and a batch is all a step needs besides the state. What `params` holds of
no player (the base of adapters) every loss may read and no step moves.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from seqlab import axes
from seqlab.leaves import path_of
from seqlab.objectives.base import Batch, Metrics, Objective
from seqlab.optim import Optimizer

State = dict[str, Any]
Optimizers = Mapping[str, Optimizer]


def init_state(
  objective: Objective,
  optimizers: Optimizers,
  key: jax.Array,
  batch: Batch,
  batch_size: int,
  ema: float = 0.0,
) -> State:
  """A fresh training state, its parameters shaped by an example batch of any number of rows; jit it
  with `out_shardings` and no leaf is ever whole on one device.
  """
  params = objective.init(key, batch)
  opt = {player: optimizers[player].init(params[player]) for player in params}
  extra = objective.init_extra(batch_size)
  if ema:
    extra["ema"] = jax.tree.map(jnp.copy, params)
  return {"step": jnp.zeros((), jnp.int32), "params": params, "opt": opt, "extra": extra}


def make_train_step(
  objective: Objective,
  optimizers: Optimizers,
  seed: int,
  *,
  accumulate: int = 1,
  ema: float = 0.0,
  skip_nonfinite: bool = False,
) -> Callable[[State, Batch], tuple[State, Metrics]]:
  """The step: each player in turn differentiates its loss in its own parameters and updates them.

  accumulate: microbatches a batch is cut into; weighted by tokens, the gradient is that of the
    whole batch (but for the balance of experts, which is of a microbatch).
  ema: decay of the average of parameters kept in `extra["ema"]`; 0 for none.
  skip_nonfinite: a turn whose loss, gradient or update is not finite leaves parameters and
    optimizer as they were.
  """

  def turn(player: str, state: State, batch: Batch, key: jax.Array) -> tuple[State, Metrics]:
    params, opt = state["params"], state["opt"]
    grads, metrics, extra = _gradients(
      objective, player, params, batch, key, state["extra"], accumulate
    )
    optimizer, step, one = optimizers[player], state["step"], jnp.ones(())
    updates, new_opt = optimizer.update(grads, opt[player], params[player], step)
    new_params = optax.apply_updates(params[player], updates)
    moving = optimizer.moving(grads)
    norms = {"grad_norm": optax.tree.norm(moving), "update_norm": optax.tree.norm(updates)}
    metrics = {**metrics, **{name: (norm, one) for name, norm in norms.items()}}
    if skip_nonfinite:
      fine = jnp.isfinite(sum(norms.values()) + metrics["loss"][0])
      old = (params[player], opt[player], state["extra"])
      new_params, new_opt, extra = jax.tree.map(
        lambda new, before: jnp.where(fine, new, before), (new_params, new_opt, extra), old
      )
      metrics = jax.tree.map(lambda m: jnp.where(fine, m, 0), metrics)
      metrics["skipped"] = (1.0 - fine, one)
    metrics["lr"] = (optimizer.schedule(step), one)
    params, opt = {**params, player: new_params}, {**opt, player: new_opt}
    return {**state, "params": params, "opt": opt, "extra": extra}, metrics

  def train_step(state: State, batch: Batch) -> tuple[State, Metrics]:
    key = jax.random.fold_in(jax.random.key(seed), state["step"])
    metrics: Metrics = {}
    for i, player in enumerate(objective.players):
      state, new = turn(player, state, batch, jax.random.fold_in(key, i))
      if len(objective.players) > 1:
        new = {f"{player}/{name}": metric for name, metric in new.items()}
      for name, (total, weight) in new.items():  # turns of one player add up
        before = metrics.get(name, (0.0, 0.0))
        metrics[name] = (before[0] + total, before[1] + weight)
    if ema:
      before = state["extra"]["ema"]
      now = {player: state["params"][player] for player in before}
      average = optax.incremental_update(now, before, 1 - ema)
      state = {**state, "extra": {**state["extra"], "ema": average}}
    return {**state, "step": state["step"] + 1}, metrics

  return train_step


def many_steps(train_step: Callable) -> Callable[[State, Batch], tuple[State, Metrics]]:
  """K steps in one dispatch: a scan over batches stacked on a leading axis; metrics come back per
  step.
  """
  return lambda state, batches: jax.lax.scan(train_step, state, batches)


def make_eval_step(objective: Objective) -> Callable[[Any, Batch, dict], tuple[Metrics, dict]]:
  """`(params, batch, extra) -> (metrics, extra)` without dropout or updates; the last player's
  metrics.
  """

  def eval_step(params: Any, batch: Batch, extra: dict) -> tuple[Metrics, dict]:
    _, metrics, extra = objective.loss(objective.players[-1], params, batch, None, extra)
    return metrics, extra

  return eval_step


def _gradients(
  objective: Objective,
  player: str,
  params: dict,
  batch: Batch,
  key: jax.Array,
  extra: dict,
  parts: int,
) -> tuple[Any, Metrics, dict]:
  def loss(
    own: Any, batch: Batch, key: jax.Array, extra: dict
  ) -> tuple[jax.Array, tuple[Metrics, dict]]:
    scalar, metrics, extra = objective.loss(player, {**params, player: own}, batch, key, extra)
    return scalar, (metrics, extra)

  grad = jax.grad(loss, has_aux=True)
  if parts == 1:
    grads, (metrics, extra) = grad(params[player], batch, key, extra)
    return grads, metrics, extra

  kept, carried = extra, {k: v for k, v in extra.items() if k != "ema"}

  def microbatch(total: Any, part: tuple) -> tuple[Any, dict]:
    rows, i, carried = part
    grads, (metrics, carried) = grad(params[player], rows, jax.random.fold_in(key, i), carried)
    weight = metrics["loss"][1]
    weighted = jax.tree.map(lambda g: g * weight, grads)
    return jax.tree.map(jnp.add, total, (weighted, metrics)), carried

  part = (_split(batch, parts), jnp.arange(parts), _split(carried, parts))
  shapes = jax.eval_shape(
    lambda p: grad(params[player], p[0], key, p[2]), jax.tree.map(lambda x: x[0], part)
  )
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (shapes[0], shapes[1][0]))
  (grads, metrics), carried = jax.lax.scan(microbatch, zeros, part)
  weight = jnp.maximum(metrics["loss"][1], 1.0)
  return jax.tree.map(lambda g: g / weight, grads), metrics, {**kept, **_join(carried)}


def _row_axis(path: tuple) -> int:
  return axes.letters(path_of(path)).find("B")


def _split(tree: Any, parts: int) -> Any:
  """Cuts the rows (axis B of each leaf) into microbatches on a new leading axis; leaves without
  rows are repeated.

  Microbatch i takes rows i, i + parts, ...: each device then keeps the rows it has.
  """

  def cut(path: tuple, x: jax.Array) -> jax.Array:
    at = _row_axis(path)
    if at < 0:
      return jnp.broadcast_to(x, (parts, *x.shape))
    x = x.reshape(*x.shape[:at], x.shape[at] // parts, parts, *x.shape[at + 1 :])
    return jnp.moveaxis(x, at + 1, 0)

  return jax.tree_util.tree_map_with_path(cut, tree)


def _join(tree: Any) -> Any:
  """Undoes `_split`."""

  def join(path: tuple, x: jax.Array) -> jax.Array:
    at = _row_axis(path)
    if at < 0:
      return x[0]
    x = jnp.moveaxis(x, 0, at + 1)
    return x.reshape(*x.shape[:at], -1, *x.shape[at + 2 :])

  return jax.tree_util.tree_map_with_path(join, tree)
