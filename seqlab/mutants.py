"""Bugs that people write into mixers, planted one by one: `seqlab check --mutants` shows that a law
catches each. A mutant is a mixer of the registry with something changed in it, or in an op while
the law runs.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.nn.layers import bias, weight
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.min_gru import MinGRU
from seqlab.ops.chunks import Decays
from seqlab.ops.rope import rope
from seqlab.ops.short_convolution import short_convolution
from seqlab.ops.triangular import unit_triangular_solve


@dataclasses.dataclass(frozen=True)
class Mutant:
  """What is wrong, the law that catches it, the mixer, and what of the ops is changed: a name to
  patch, and what takes its place.
  """

  wrong: str
  law: str
  mixer: Callable[[], Mixer]
  patched: str = ""
  by: Any = None

  @contextlib.contextmanager
  def planted(self) -> Iterator[Mixer]:
    """The mixer, while the bug is there."""
    with mock.patch(self.patched, self.by) if self.patched else contextlib.nullcontext():
      yield self.mixer()


class Wrong(Mixer):
  """A mixer between what is done to its inputs and what is done to what comes out."""

  mixer: Mixer

  def inputs(self, x_BTD: jax.Array, pos_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x_BTD, pos_BT

  def outputs(self, y_BTD: jax.Array, state: dict | None) -> tuple[jax.Array, dict | None]:
    return y_BTD, state

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    own = self.mixer.clone(parent=self, name="inner")
    return self.outputs(*own(*self.inputs(x_BTD, pos_BT), state))

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return self.mixer.init_state(batch, width, capacity, dtype)


class NeverResets(Wrong):
  def inputs(self, x_BTD: jax.Array, pos_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x_BTD, pos_BT + 1


class ReadsPadding(Wrong):
  """Padding in front of a document is taken for its beginning."""

  def inputs(self, x_BTD: jax.Array, pos_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    again_BT = (pos_BT == 0) & (jnp.pad(pos_BT[:, :-1], ((0, 0), (1, 0)), constant_values=1) == 0)
    return x_BTD, pos_BT + again_BT


class OffByOne(Wrong):
  def outputs(self, y_BTD: jax.Array, state: dict | None) -> tuple[jax.Array, dict | None]:
    return y_BTD, state and {**state, "time": state["time"] + 1}


class Forgets(Wrong):
  def outputs(self, y_BTD: jax.Array, state: dict | None) -> tuple[jax.Array, dict | None]:
    return y_BTD, state and jax.tree.map(jnp.zeros_like, state)


class Leaks(Wrong):
  """What was before the call is seen behind a document that begins inside it."""

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    y_BTD, after = self.mixer.clone(parent=self, name="inner")(x_BTD, pos_BT, state)
    if state is not None:
      begun_BT = (jnp.cumsum(pos_BT == 0, 1) > 0) & (pos_BT[:, :1] > 0)
      leaked = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(state))
      y_BTD = y_BTD + jnp.where(begun_BT, leaked, 0)[..., None].astype(y_BTD.dtype)
    return y_BTD, after


class HalfState(Wrong):
  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    state = super().init_state(batch, width, capacity, dtype)
    return jax.tree.map(lambda x: x.astype(dtype), state)


class ReadsOtherRows(Wrong):
  def inputs(self, x_BTD: jax.Array, pos_BT: jax.Array) -> tuple[jax.Array, jax.Array]:
    return x_BTD + 0.3 * x_BTD.mean(0), pos_BT


class NarrowsState(Wrong):
  def outputs(self, y_BTD: jax.Array, state: dict | None) -> tuple[jax.Array, dict | None]:
    return y_BTD, state and jax.tree.map(lambda x: x.astype(y_BTD.dtype), state)


class Widens(Wrong):
  def outputs(self, y_BTD: jax.Array, state: dict | None) -> tuple[jax.Array, dict | None]:
    return y_BTD.astype(jnp.float32), state


class ReadsNoBias(Wrong):
  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    bias(self, "bias_D", x_BTD.shape[-1:])
    return self.mixer.clone(parent=self, name="inner")(x_BTD, pos_BT, state)


class Misnamed(Wrong):
  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    w_DD = weight(self, "w_D", (x_BTD.shape[-1],) * 2, std=0.1)
    own = self.mixer.clone(parent=self, name="inner")
    return own(x_BTD @ w_DD.astype(x_BTD.dtype), pos_BT, state)


def _one_ahead(
  x_BTF: jax.Array, w_WF: jax.Array, pos_BT: jax.Array, before_BWF: jax.Array, *, axis: str | None
) -> tuple[jax.Array, jax.Array]:
  ahead_BTF = jnp.pad(x_BTF[:, 1:], ((0, 0), (0, 1), (0, 0)))
  y_BTF, _ = short_convolution(ahead_BTF, w_WF, pos_BT, before_BWF, axis=axis)
  return y_BTF, short_convolution(x_BTF, w_WF, pos_BT, before_BWF, axis=axis)[1]


def _from_the_call(x_BTHK: jax.Array, pos_BT: jax.Array, **arguments: Any) -> jax.Array:
  return rope(x_BTHK, jnp.broadcast_to(jnp.arange(pos_BT.shape[1]), pos_BT.shape), **arguments)


def _grows(self: Decays) -> jax.Array:
  return jnp.where((self.began == 0)[..., None], jnp.exp(-self.total), 0)


def _nothing_before(
  whole_BHCN: jax.Array, added_BHCNK: jax.Array, s_BHNK: jax.Array, axis: str | None
) -> tuple:
  return s_BHNK, jnp.zeros_like(added_BHCNK)


def _heads_apart(x_BHTK: jax.Array, kv_heads: int) -> jax.Array:
  batch, heads, *rest = x_BHTK.shape
  return jnp.swapaxes(x_BHTK.reshape(batch, heads // kv_heads, kv_heads, *rest), 1, 2)


def _no_way_back(system: jax.Array, sides: jax.Array) -> jax.Array:
  return unit_triangular_solve(jax.lax.stop_gradient(system), sides)


def _member(name: str, **arguments: Any) -> Callable[[], Mixer]:
  return lambda: MIXERS[name](**arguments)


def _wrong(kind: type[Wrong], mixer: type[Mixer], **arguments: Any) -> Callable[[], Mixer]:
  return lambda: kind(mixer(**arguments), parent=None)


MUTANTS = (
  Mutant(
    "a convolution sees one token ahead", "causality", _member("short_conv"),
    "seqlab.nn.mixers.earlier.short_convolution", _one_ahead,
  ),
  Mutant("a row reads the others", "causality", _wrong(ReadsOtherRows, MinGRU)),
  Mutant("a state is not reset where a document begins", "packing", _wrong(NeverResets, MinGRU)),
  Mutant("padding is taken for a beginning", "padding", _wrong(ReadsPadding, MinGRU)),
  Mutant(
    "angles count from the call", "splitting", _member("attention"),
    "seqlab.nn.mixers.attention.rope", _from_the_call,
  ),
  Mutant("the time of a cache is off by one", "splitting", _wrong(OffByOne, Attention)),
  Mutant("a state leaks past a beginning", "splitting", _wrong(Leaks, MinGRU)),
  Mutant("a state is handed on empty", "splitting", _wrong(Forgets, MinGRU)),
  Mutant("a state follows the dtype of caches", "costs", _wrong(HalfState, MinGRU)),
  Mutant("a state takes the dtype of inputs", "bfloat16", _wrong(NarrowsState, MinGRU)),
  Mutant("bfloat16 comes out as float32", "bfloat16", _wrong(Widens, MinGRU)),
  Mutant("a bias is never read", "learning", _wrong(ReadsNoBias, MinGRU)),
  Mutant("a weight's letters are not its axes", "names", _wrong(Misnamed, MinGRU)),
  Mutant(
    "a decay has the wrong sign in chunks", "forms", _member("retention"),
    "seqlab.ops.chunks.Decays.from_start", _grows,
  ),
  Mutant(
    "what was before a chunk is lost", "forms", _member("mamba2", states=8),
    "seqlab.ops.linear_attention._carried", _nothing_before,
  ),
  Mutant(
    "queries read the keys of another group", "forms", _member("attention", heads=4, kv_heads=2),
    "seqlab.ops.attention.grouped", _heads_apart,
  ),
  Mutant(
    "a solver has no gradient to its matrix", "gradients", _member("delta_net"),
    "seqlab.ops.delta_rule.unit_triangular_solve", _no_way_back,
  ),
)  # fmt: skip
