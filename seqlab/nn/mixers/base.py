"""What a sequence mixer is: a causal map over time with a carry.

    mixer(x_BTD, pos_BT, state=None) -> (y_BTD, state)
    mixer.init_state(batch, width, capacity, dtype) -> {name: array}
    mixer.check(width) -> None, or a UserError

`pos_BT` (int32) is each token's position inside its document; 0 starts a document, and it alone
gives rotary angles, recurrent resets and attention segments. `state=None` means the whole sequence
is here and nothing is kept; None comes back. Otherwise the state that the tokens before left goes
in, and the state after these tokens comes out, so that any cut of a sequence gives what the whole
gives (the splitting law).

An encoder takes `bidirectional.both_ways(mixer)`, which has no state; a decoder of a prefix takes
`prefixed(mixer)`.

Recurrent state is float32 and ignores `capacity` (tokens a key-value cache can hold) and `dtype`
(of a cache). State leaves are named by their axes like parameters (`h_BF`, `k_BHSK`).
"""

import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError


class Mixer(nn.Module):
  """Base of all mixers; `seqlab.laws` holds what each must satisfy."""

  reads_prefix: ClassVar[bool] = False  # it is called with `prefix_BT` behind the state
  rounds: ClassVar[bool] = False  # outputs hang on later inputs by what a transform rounds

  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    raise NotImplementedError

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    raise NotImplementedError

  def before(self, x_BTD: jax.Array, state: dict | None) -> dict:
    """The state that goes in, which is an empty one where the whole sequence is here.

    Raises:
      UserError: a state of another mixer, batch or width.
    """
    self.check_state(x_BTD, state)
    return state or self.init_state(x_BTD.shape[0], x_BTD.shape[-1], 1)

  def check_state(self, x_BTD: jax.Array, state: dict | None) -> None:
    """Raises a UserError where a state is not one of this mixer for these rows of this width,
    whatever its capacity (axis S).
    """
    if state is None:
      return
    batch, _, width = x_BTD.shape
    wanted = jax.eval_shape(lambda: self.init_state(batch, width, 1))
    given = dict(jax.tree_util.tree_flatten_with_path(state)[0])
    for path, leaf in jax.tree_util.tree_flatten_with_path(wanted)[0]:
      name = path[-1].key
      if path not in given:
        raise UserError(f"{type(self).__name__} wants a state with {name}, of its own init_state")
      shape, slots = jnp.shape(given[path]), axes.letters(name).find("S")  # -1 where it has none
      alike = (
        n == m or i == slots for i, (n, m) in enumerate(zip(shape, leaf.shape, strict=False))
      )
      if len(shape) != leaf.ndim or not all(alike):
        raise UserError(
          f"{type(self).__name__}: {name} of the state has shape {shape}; {batch} rows of width "
          f"{width} want {leaf.shape}"
        )

  def noncausal(self) -> "Mixer | None":
    """This mixer seeing the document after a token too, without a state; None where it has no such
    form, and an encoder reads once in each direction.
    """
    return None

  def as_a(self, kind: "type[Mixer]", of: "type[Mixer]") -> "Mixer | None":
    """This mixer with the same arguments as one of another kind, where it is exactly `of`; None
    where it is a user's own made from that, whose code must not be lost.
    """
    if type(self) is not of:
      return None
    fields = (f.name for f in dataclasses.fields(self) if f.name not in ("parent", "name"))
    return kind(**{name: getattr(self, name) for name in fields}, parent=None)

  def prefixed(self) -> "Mixer | None":
    """This mixer with one more argument, `prefix_BT` (bool, or None for no prefix): the tokens of a
    document's prefix see each other on both sides. A prefix must come in one call; cut anywhere
    else, a sequence gives what the whole gives. None where it has no such form.
    """
    return None

  def check(self, width: int) -> None:
    """Raises a UserError where an argument is out of range or does not fit the width."""


class BothWays:
  """Makes a kind of attention one in which a token sees its whole document (of a window, what is as
  near after it).
  """

  causal: ClassVar[bool] = False

  def check_state(self, x_BTD: jax.Array, state: dict | None) -> None:
    if state is not None:
      raise TypeError("attention both ways takes whole sequences and has no state")

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    raise TypeError("attention both ways reads whole sequences and has no state")


def prefixed(mixer: Mixer) -> Mixer:
  """What a decoder of a prefix makes of a mixer: one that reads from left to right alone stays."""
  return mixer.prefixed() or mixer


def remembers(mixer: Mixer, width: int) -> bool:
  """Whether a mixer's state tells of all that was read, in a fixed size: it has no cache of tokens
  (axis S), and more than a window of the last ones (axis W).
  """
  state = jax.eval_shape(lambda: mixer.init_state(1, width, 1))
  leaves, _ = jax.tree_util.tree_flatten_with_path(state)
  letters = [axes.letters(path[-1].key) for path, _ in leaves]
  return not any("S" in one for one in letters) and any("W" not in one for one in letters)
