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

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp


class Mixer(nn.Module):
  """Base of all mixers; `seqlab.laws` holds what each must satisfy."""

  reads_prefix: ClassVar[bool] = False  # it is called with `prefix_BT` behind the state

  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    raise NotImplementedError

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    raise NotImplementedError

  def noncausal(self) -> "Mixer | None":
    """This mixer seeing the document after a token too, without a state; None where it has no such
    form, and an encoder reads once in each direction.
    """
    return None

  def prefixed(self) -> "Mixer | None":
    """This mixer with one more argument, `prefix_BT` (bool, or None for no prefix): the tokens of a
    document's prefix see each other on both sides. A prefix must come in one call; cut anywhere
    else, a sequence gives what the whole gives. None where it has no such form.
    """
    return None

  def check(self, width: int) -> None:
    """Raises a UserError where an argument is out of range or does not fit the width."""


def prefixed(mixer: Mixer) -> Mixer:
  """What a decoder of a prefix makes of a mixer: one that reads from left to right alone stays."""
  return mixer.prefixed() or mixer
