"""A decoder that reads a source as the beginning of the text that it writes on (arXiv:1910.10683,
section 3.2.1; arXiv:1905.03197): sequence to sequence without an encoder.
"""

from typing import ClassVar

import jax

from seqlab.models.decoder import Decoder


class PrefixDecoder(Decoder):
  """A decoder that is told which tokens are a document's prefix; its parameters are a decoder's.
  Mixers that have a form for it see a prefix on both sides, the others read it as they read all.
  """

  reads_prefix: ClassVar[bool] = True

  def __call__(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    prefix_BT: jax.Array | None = None,
    *,
    train: bool = False,
  ) -> tuple[jax.Array, dict | None]:
    """As a decoder's. prefix_BT: not 0 where a token is of a prefix, which comes in one call."""
    if prefix_BT is not None:
      prefix_BT = prefix_BT != 0
    x_BTD = self.embed(tokens_BT, pos_BT, train)
    x_BTD, state = self.stack(x_BTD, pos_BT, state, train, None, prefix_BT)
    return self.final_norm(x_BTD), state
