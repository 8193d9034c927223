"""What a sequence mixer is: a causal map over time with a carry.

    mixer(x_BTD, pos_BT, state=None) -> (y_BTD, state)
    mixer.init_state(batch, width, capacity, dtype) -> {name: array}

`pos_BT` (int32) is each token's position inside its document; 0 starts a document, and it alone
gives rotary angles, recurrent resets and attention segments. `state=None` means the whole sequence
is here and nothing is kept; None comes back. Otherwise the state that the tokens before left goes
in, and the state after these tokens comes out, so that any cut of a sequence gives what the whole
gives (the splitting law).

Recurrent state is float32 and ignores `capacity` (tokens a key-value cache can hold) and `dtype`
(of a cache). State leaves are named by their axes like parameters (`h_BF`, `k_BSHK`).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.errors import UserError


class Mixer(nn.Module):
  """Base of all mixers; `seqlab.laws` holds what each must satisfy."""

  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    raise NotImplementedError

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    raise NotImplementedError


def divide(whole: int, parts: int, mixer: str, what: str) -> int:
  """`whole // parts`, or a UserError that says what does not divide."""
  if parts < 1 or whole % parts:
    raise UserError(f"{mixer}(): {what} = {parts} does not divide {whole}")
  return whole // parts
