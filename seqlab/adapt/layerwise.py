"""Fine-tuning layer by layer: learning rates that fall towards the bottom, layers that thaw from
the top (ULMFiT, arXiv:1801.06146, sections 3.2 and 3.3).

Leaves are stacked over depth, so that a layer is a row along the axis L and no selector can pick
it: rates and thawing are arrays along that axis. A layer has a height, its place from the top: 0
for what is in no layer (heads, the last norm), 1 for the top layer, depth for the lowest, depth + 1
for the tables that it reads (embeddings, positions). An encoder and a decoder count from their own
tops.
"""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from seqlab.leaves import is_table, path_of

_BLOCK = re.compile(r"(?:^|/)(layers_L|tail)/block(\d+)/")


@dataclasses.dataclass(frozen=True)
class LayerDecay:
  """Learning rates times `factor` for each layer downwards: 1 for the head and the top layer,
  factor^(depth - 1) for the lowest, factor^depth for embeddings.
  """

  factor: float = 0.9


@dataclasses.dataclass(frozen=True)
class Gradual:
  """Only heads move at first; after each `every` steps the next layer below thaws, at last the
  embeddings. What is frozen keeps its bits, does not decay, and begins its optimizer's state when
  it thaws.
  """

  every: int


@dataclasses.dataclass(frozen=True)
class Layers:
  """A stack of `depth` layers that repeat a pattern of so many blocks."""

  depth: int
  pattern: int

  def height(self, name: str) -> np.ndarray:
    """Of a leaf, as an int array: [L] where it is stacked, else []."""
    block = _BLOCK.search(name)
    if block is None:
      return np.array(self.depth + 1 if is_table(name) else 0)
    repeats = self.depth // self.pattern
    place = np.arange(repeats) if block[1] == "layers_L" else np.array(repeats)
    return self.depth - (place * self.pattern + int(block[2]))

  def map(self, fn: Any, tree: Any, *others: Any) -> Any:
    """`fn(height, leaf, ...)` of each leaf; the height has an axis for each of the leaf's."""

    def one(path: tuple, leaf: jax.Array, *rest: Any) -> Any:
      height = self.height(path_of(path))
      return fn(height.reshape(*height.shape, *[1] * (leaf.ndim - height.ndim)), leaf, *rest)

    return jax.tree_util.tree_map_with_path(one, tree, *others)


def decayed(layers: Layers, decay: LayerDecay) -> optax.GradientTransformation:
  """Scales the updates of each layer by its rate."""

  def scale(updates: Any, params: Any = None) -> Any:
    return layers.map(lambda h, u: u * np.float32(decay.factor) ** np.maximum(h - 1, 0), updates)

  return optax.stateless(scale)


def thawing(
  transform: optax.GradientTransformationExtraArgs, layers: Layers, gradual: Gradual
) -> optax.GradientTransformationExtraArgs:
  """The transform, given zeros for the gradients of what is frozen and giving zeros for it."""

  def mask(tree: Any, step: jax.Array) -> Any:
    return layers.map(lambda h, x: jnp.where(step >= h * gradual.every, x, 0), tree)

  def update(grads: Any, state: Any, params: Any, *, step: jax.Array) -> tuple[Any, Any]:
    updates, state = transform.update(mask(grads, step), state, params, step=step)
    return mask(updates, step), state

  return optax.GradientTransformationExtraArgs(transform.init, update)


def begun_apart(
  direction: optax.GradientTransformation, layers: Layers, gradual: Gradual
) -> optax.GradientTransformationExtraArgs:
  """The direction with a state for each height, which is as `init` made it until that height thaws:
  moments do not grow, and Adam's correction of their bias counts the updates of the layer alone.

  Over stacked leaves the direction is mapped along the axis L, with a state for each layer.
  `update` wants the `step` of the training state.
  """

  def label(path: tuple) -> str:
    block = _BLOCK.search(path_of(path))
    stacked = block is not None and block[1] == "layers_L"
    return f"block{block[2]}" if block and stacked else f"height{layers.height(path_of(path))}"

  def of(height: np.ndarray) -> optax.GradientTransformationExtraArgs:
    mapped = jax.vmap if height.ndim else lambda fn: fn

    def init(params: Any) -> Any:
      return mapped(direction.init)(params) if jax.tree.leaves(params) else optax.EmptyState()

    def update(grads: Any, state: Any, params: Any, *, step: jax.Array) -> tuple[Any, Any]:
      if not jax.tree.leaves(grads):
        return grads, state
      live = step >= height * gradual.every

      def keep(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(live.reshape(*live.shape, *[1] * (new.ndim - live.ndim)), new, old)

      updates, after = mapped(direction.update)(grads, state, params)
      return updates, jax.tree.map(keep, after, state)

    return optax.GradientTransformationExtraArgs(init, update)

  apart = {f"height{h}": of(np.array(h)) for h in range(layers.depth + 2)}
  apart |= {f"block{i}": of(layers.height(f"layers_L/block{i}/")) for i in range(layers.pattern)}
  return optax.partition(
    apart, lambda params: jax.tree_util.tree_map_with_path(lambda path, _: label(path), params)
  )
