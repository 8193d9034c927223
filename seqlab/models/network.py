"""A flax module behind plain functions: all that objectives, the sampler and the laws see of a
network.
"""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax

from seqlab import axes
from seqlab.leaves import by_path, path_of
from seqlab.nn.layers import NOTES
from seqlab.nn.stack import Layer, unrolled


class Network:
  """`network(params, *inputs, key=...)` runs the module, or one of its methods; a dropout key means
  training. std: what matrices inside a stack are drawn with in place of one over the root of the
  fan-in; 0 for that.
  """

  def __init__(self, module: nn.Module, std: float = 0.0):
    self.module, self._std = module, std

  @property
  def reads_prefix(self) -> bool:
    """Whether a call takes the tokens of a prefix behind the state."""
    return getattr(self.module, "reads_prefix", False)

  @property
  def reads_types(self) -> bool:
    """Whether a call takes the types of tokens."""
    return getattr(self.module, "types", 0) > 0

  def init(self, key: jax.Array, *inputs: Any) -> dict[str, Any]:
    """Fresh float32 parameters. Weights that write to the residual stream (`out_…`) inside a stack
    are scaled by 1/sqrt(2·depth), as GPT-2 does, so that the stream's variance does not grow with
    depth.
    """
    params = self.module.init({"params": key}, *inputs)["params"]
    body = getattr(self.module, "decoder", self.module)
    layers: Sequence[Layer] = getattr(body, "layers", ())
    factor = (2 * body.depth) ** -0.5 if any(layer.residual for layer in layers) else 1.0

    def scale(path: tuple, leaf: jax.Array) -> jax.Array:
      name = path_of(path)
      if "/block" not in name:
        return leaf
      if self._std and (summed := axes.fan_in_axes(name)):
        leaf *= self._std * math.prod(leaf.shape[i] for i in summed) ** 0.5
      return leaf * factor if name.rpartition("/")[2].startswith("out_") else leaf

    return jax.tree_util.tree_map_with_path(scale, params)

  def __call__(
    self, params: dict, *inputs: Any, key: jax.Array | None = None, method: str = "__call__"
  ) -> Any:
    # other methods take `train` only where they do something with it
    train = {} if key is None and method != "__call__" else {"train": key is not None}
    rngs = {} if key is None else {"dropout": key}
    return self.module.apply({"params": params}, *inputs, **train, rngs=rngs, method=method)

  def noted(self, params: dict, *inputs: Any) -> dict[str, jax.Array]:
    """What the layers note of their work on these inputs, by path: the weights of attention,
    `stack/layers_L/block0/cross/weights_BHTS`.
    """
    _, notes = self.module.apply({"params": params}, *inputs, mutable=[NOTES])
    return by_path(notes.get(NOTES, {}))

  def unrolled(self, tree: dict) -> dict:
    """Parameters or a state with the stack's layers apart, which a call takes as well: for loops,
    where XLA would copy each layer's slice of the stacked arrays every time around.
    """
    return unrolled(tree)

  def init_state(self, batch: int, capacity: int) -> dict[str, Any]:
    """The state before the first token, for `batch` rows and caches of `capacity` tokens."""
    return self.module.init_state(batch, capacity)
