"""A stack of pre-norm residual blocks over a repeating pattern of mixers.

Parameters are stored stacked over repetitions of the pattern (`layers_L/block0/mixer/q_DHK`),
whether the loop over depth is unrolled or a scan: how it runs is a choice of speed and never
changes a checkpoint. What is left when the pattern does not divide the depth follows as `tail`.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import Norm
from seqlab.nn.mixers.base import Mixer

POLICIES = {
  "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  "full": jax.checkpoint_policies.nothing_saveable,
}


@dataclasses.dataclass(frozen=True)
class Layer:
  """What a block of the pattern is made of. The modules are unbound: every block makes its own of
  them.
  """

  mixer: Mixer
  mlp: nn.Module | None
  norm: str = "rms"
  dropout: float = 0.0


class Block(nn.Module):
  """`x + mixer(norm(x))`, then `x + mlp(norm(x))`, with dropout on each branch."""

  layer: Layer

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None, train: bool
  ) -> tuple[jax.Array, dict | None]:
    layer = self.layer
    drop = nn.Dropout(layer.dropout, deterministic=not train)
    mixer = layer.mixer.clone(parent=self, name="mixer")
    y_BTD, state = mixer(Norm(layer.norm, name="mixer_norm")(x_BTD), pos_BT, state)
    x_BTD = axes.constrain(x_BTD + drop(y_BTD), "BTD")
    if layer.mlp is not None:
      mlp = layer.mlp.clone(parent=self, name="mlp")
      y_BTD = mlp(Norm(layer.norm, name="mlp_norm")(x_BTD))
      x_BTD = axes.constrain(x_BTD + drop(y_BTD), "BTD")
    return x_BTD, state


class Pattern(nn.Module):
  """One repetition of the pattern: a block for each of its layers."""

  layers: tuple[Layer, ...]
  remat: str = "none"

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None, train: bool
  ) -> tuple[jax.Array, dict | None]:
    block = Block
    if self.remat != "none":
      block = nn.remat(Block, policy=POLICIES[self.remat], static_argnums=(4,), prevent_cse=False)
    states = {}
    for i, layer in enumerate(self.layers):
      name = f"block{i}"
      x_BTD, states[name] = block(layer, name=name)(x_BTD, pos_BT, state and state[name], train)
    return x_BTD, states if state is not None else None


class Stack(nn.Module):
  """`depth` blocks that repeat `layers`, the states of their mixers carried through.

  unroll: repetitions that XLA sees at once; 0 means all of them up to 12 and one by one above,
    where compile time would grow faster than the depth.
  """

  layers: tuple[Layer, ...]
  depth: int
  remat: str = "none"
  unroll: int = 0

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None, train: bool
  ) -> tuple[jax.Array, dict | None]:
    repeats, rest = divmod(self.depth, len(self.layers))
    states = {}
    if repeats:
      # Unrolled, XLA undoes what remat is for.
      whole = repeats <= 12 and self.remat == "none"
      unroll = self.unroll or (repeats if whole else 1)
      scanned = nn.scan(
        Pattern,
        variable_axes={"params": 0},
        split_rngs={"params": True, "dropout": True},
        in_axes=(nn.broadcast, 0, nn.broadcast),
        length=repeats,
        unroll=min(unroll, repeats),
      )
      layers = scanned(self.layers, self.remat, name="layers_L")
      x_BTD, states["layers_L"] = layers(x_BTD, pos_BT, state and state["layers_L"], train)
    if rest:
      tail = Pattern(self.layers[:rest], self.remat, name="tail")
      x_BTD, states["tail"] = tail(x_BTD, pos_BT, state and state["tail"], train)
    return x_BTD, states if state is not None else None

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any) -> dict:
    """The state of all mixers before the first token; leaves of `layers_L` are stacked over
    depth.
    """
    repeats, rest = divmod(self.depth, len(self.layers))
    each = {
      f"block{i}": layer.mixer.init_state(batch, width, capacity, dtype)
      for i, layer in enumerate(self.layers)
    }
    states = {}
    if repeats:
      states["layers_L"] = jax.tree.map(lambda x: jnp.stack([x] * repeats), each)
    if rest:
      states["tail"] = {name: each[name] for name in list(each)[:rest]}
    return states
