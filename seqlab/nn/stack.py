"""A stack of blocks over a repeating pattern of mixers: pre-norm residual ones, or plain layers.

Parameters are stored stacked over repetitions of the pattern (`layers_L/block0/mixer/q_DHK`),
whether the loop over depth is unrolled or a scan: how it runs is a choice of speed and never
changes a checkpoint. What is left when the pattern does not divide the depth follows as `tail`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.nn.cross_attention import AdditiveAttention, CrossAttention, Memory
from seqlab.nn.layers import NOTES, Norm, note
from seqlab.nn.mixers.base import Mixer

HOST = "pinned_host"  # the kind of memory that devices copy to and from beside their work
POLICIES = {
  "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  "full": jax.checkpoint_policies.nothing_saveable,
  "offload": jax.checkpoint_policies.offload_dot_with_no_batch_dims("device", HOST),
}


def check_remat(remat: str, device: jax.Device) -> None:
  """
  Raises:
    UserError: it keeps what waits in the memory of the host, which the device does not reach.
  """
  kinds = {memory.kind for memory in device.addressable_memories()}
  if remat == "offload" and HOST not in kinds:
    raise UserError(
      f"config.model.remat='offload': {device.device_kind} reaches no memory of the host ({HOST}); "
      f"'dots' and 'full' need none"
    )


@dataclasses.dataclass(frozen=True)
class Layer:
  """What a block of the pattern is made of. The modules are unbound: every block makes its own of
  them.

  residual: mixer and mlp add to the stream; without it the one's output is the other's input, as in
    recurrent networks of old. What is read of a memory is added either way.
  """

  mixer: Mixer
  mlp: nn.Module | None
  norm: str = "rms"
  dropout: float = 0.0
  residual: bool = True
  cross: CrossAttention | AdditiveAttention | None = None

  def init_state(self, *arguments: Any) -> dict:
    """The mixer's state before the first token; a layer that reads a memory keeps it apart."""
    state = self.mixer.init_state(*arguments)
    return {"mixer": state} if self.cross else state


class Block(nn.Module):
  """`x + mixer(norm(x))`, then `x + cross(norm(x))` over a memory where the layer has it, then
  `x + mlp(norm(x))`, with dropout on each branch. A mixer that reads a prefix is told of it.
  """

  layer: Layer

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None,
    memory: Memory | None,
    train: bool,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    layer = self.layer
    drop = nn.Dropout(layer.dropout, deterministic=not train)

    def part(of: nn.Module, name: str) -> tuple[jax.Array, nn.Module]:
      return Norm(layer.norm, name=f"{name}_norm")(x_BTD), of.clone(parent=self, name=name)

    def joined(x_BTD: jax.Array, y_BTD: jax.Array) -> jax.Array:
      return axes.constrain(x_BTD + drop(y_BTD) if layer.residual else drop(y_BTD), "BTD")

    own = state["mixer"] if state and layer.cross else state
    z_BTD, mixer = part(layer.mixer, "mixer")
    more = (prefix_BT,) if layer.mixer.reads_prefix else ()
    y_BTD, own = mixer(z_BTD, pos_BT, own, *more)
    x_BTD = joined(x_BTD, y_BTD)
    if layer.cross is not None:
      z_BTD, cross = part(layer.cross, "cross")
      y_BTD, read = cross(z_BTD, memory, state and state.get("cross"))
      own = state and {"mixer": own, "cross": read}
      x_BTD = axes.constrain(x_BTD + drop(y_BTD), "BTD")
    if layer.mlp is not None:
      z_BTD, mlp = part(layer.mlp, "mlp")
      x_BTD = joined(x_BTD, mlp(z_BTD))
    note(self, "x_BTD", lambda: x_BTD)
    return x_BTD, own


class Pattern(nn.Module):
  """One repetition of the pattern: a block for each of its layers."""

  layers: tuple[Layer, ...]
  remat: str = "none"

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None,
    memory: Memory | None,
    train: bool,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    block = Block
    if self.remat != "none":
      block = nn.remat(Block, policy=POLICIES[self.remat], static_argnums=(5,), prevent_cse=False)
    states = {}
    for i, layer in enumerate(self.layers):
      name, before = f"block{i}", state and state[f"block{i}"]
      inputs = (pos_BT, before, memory, train, prefix_BT)
      x_BTD, states[name] = block(layer, name=name)(x_BTD, *inputs)
    return x_BTD, states if state is not None else None


class Stack(nn.Module):
  """`depth` blocks that repeat `layers`, the states of their mixers carried through.

  unroll: repetitions that XLA sees at once; 0 means all of them up to 12 and one by one above,
    where compile time would grow faster than the depth.
  remat: saves memory where the pattern repeats; within one repetition XLA undoes it.
  """

  layers: tuple[Layer, ...]
  depth: int
  remat: str = "none"
  unroll: int = 0

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None,
    train: bool,
    memory: Memory | None = None,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    """What `unrolled` made of parameters or state is taken as well, and comes back in kind."""
    repeats, rest = divmod(self.depth, len(self.layers))
    states, given = {}, (memory, train, prefix_BT)
    if repeats:
      before = state and state["layers_L"]
      x_BTD, states["layers_L"] = self._repeat(repeats, x_BTD, pos_BT, before, *given)
    if rest:
      tail = Pattern(self.layers[:rest], self.remat, name="tail")
      x_BTD, states["tail"] = tail(x_BTD, pos_BT, state and state["tail"], *given)
    return x_BTD, states if state is not None else None

  def _repeat(
    self,
    repeats: int,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: Any,
    memory: Memory | None,
    train: bool,
    prefix_BT: jax.Array | None,
  ) -> tuple[jax.Array, Any]:
    """The pattern as a function, so that one body serves the loop, the scan and their `init`."""
    pattern = Pattern(self.layers, self.remat, parent=None)

    def init(key: jax.Array) -> dict:
      return pattern.init(key, x_BTD, pos_BT, None, memory, False, prefix_BT)["params"]

    watched = [NOTES] if self.is_mutable_collection(NOTES) else []

    def turn(x_BTD: jax.Array, each: tuple) -> tuple[jax.Array, tuple]:
      params, state, key = each
      rngs = {} if key is None else {"dropout": key}
      given = x_BTD, pos_BT, state, memory, train, prefix_BT
      (y_BTD, state), notes = pattern.apply({"params": params}, *given, rngs=rngs, mutable=watched)
      return y_BTD, (state, notes.get(NOTES))

    if self.is_initializing():
      params = self.param("layers_L", lambda key: jax.vmap(init)(jax.random.split(key, repeats)))
    else:
      params = self.get_variable("params", "layers_L")
    keys_L = jax.random.split(self.make_rng("dropout"), repeats) if train else None
    # Unrolled, XLA undoes what remat is for.
    whole = repeats <= 12 and self.remat == "none"
    unroll = min(self.unroll or (repeats if whole else 1), repeats)
    if unroll < repeats and not isinstance(params, tuple) and not isinstance(state, tuple):
      x_BTD, (state, notes) = jax.lax.scan(turn, x_BTD, (params, state, keys_L), unroll=unroll)
    else:
      made = []
      for each in zip(*(_apart(x, repeats) for x in (params, state, keys_L)), strict=True):
        x_BTD, after = turn(x_BTD, each)
        made.append(after)
      states, every = zip(*made, strict=True)
      state = states if isinstance(state, tuple) else _together(states)
      notes = _together(every)
    if notes:
      self.put_variable(NOTES, "layers_L", notes)
    return x_BTD, state

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any) -> dict:
    """The state of all mixers before the first token; leaves of `layers_L` are stacked over
    depth.
    """
    repeats, rest = divmod(self.depth, len(self.layers))
    each = {
      f"block{i}": layer.init_state(batch, width, capacity, dtype)
      for i, layer in enumerate(self.layers)
    }
    states = {}
    if repeats:
      states["layers_L"] = _together([each] * repeats)
    if rest:
      states["tail"] = {name: each[name] for name in list(each)[:rest]}
    return states


def unrolled(tree: dict) -> dict:
  """Parameters or a state with every `layers_L` as a tuple, one tree a repetition, for loops over
  the stack: XLA would copy every layer's slice again each time around.
  """

  def visit(name: str, x: Any) -> Any:
    if name == "layers_L":
      return _apart(x, len(jax.tree.leaves(x)[0]))
    return unrolled(x) if isinstance(x, dict) else x

  return {name: visit(name, x) for name, x in tree.items()}


def _apart(tree: Any, count: int) -> tuple:
  if tree is None or isinstance(tree, tuple):
    return tree or (None,) * count
  # The gradient of `split` is one concatenation; that of slices would be a sum of padded arrays.
  leaves, structure = jax.tree.flatten(tree)
  parts = zip(*(jax.lax.split(leaf, [1] * count) for leaf in leaves), strict=True)
  return tuple(jax.tree.unflatten(structure, [x[0] for x in each]) for each in parts)


def _together(trees: Sequence) -> Any:
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
