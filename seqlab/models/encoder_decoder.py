"""Sequence to sequence: an encoder reads the source both ways, and every block of a decoder attends
to what it made of it (arXiv:1409.0473, arXiv:1706.03762); or, without attention, the decoder goes
on from the state that the source left (arXiv:1409.3215).
"""

import jax

from seqlab.models.decoder import Decoder
from seqlab.nn.cross_attention import Memory
from seqlab.nn.layers import Norm
from seqlab.nn.stack import Layer, Stack


class EncoderDecoder(Decoder):
  """A decoder whose layers have cross-attention, with an encoder of the same depth. Source and
  target share one vocabulary and its embedding.

  Layers without cross-attention: a row is one pair, and its source ends in the last column, after
  the padding. The encoder's mixers are the decoder's kind, and their state is handed over.
  """

  encoder_layers: tuple[Layer, ...] = ()

  def setup(self) -> None:
    super().setup()
    self.encoder = Stack(self.encoder_layers, self.depth, self.remat, self.unroll)
    self.encoder_norm = Norm(self.norm)

  def __call__(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    pair_BT: jax.Array | None = None,
    source: tuple[jax.Array, jax.Array, jax.Array] | None = None,
    *,
    train: bool = False,
  ) -> tuple[jax.Array, dict | None]:
    """Features before the head, [B, T, D], and the state after these tokens, which remembers the
    source: a decoding gives it once.

    source: ids, positions and numbers of the pairs, each int [B, S]; a token sees the source whose
      number is its own in `pair_BT`.
    """
    shown_BT, kept, memory = pos_BT, state, None
    handed = self.layers[0].cross is None
    if source is not None and pair_BT is not None:
      source_BS, source_pos_BS, source_pair_BS = source
      x_BSD = self.embed(source_BS, source_pos_BS, train)
      if handed:
        state = state or self.init_state(len(x_BSD), 1)
        _, state = self.encoder(x_BSD, source_pos_BS, state, train)
      else:
        x_BSD, _ = self.encoder(x_BSD, source_pos_BS, None, train)
        memory = Memory(self.encoder_norm(x_BSD), source_pair_BS, pair_BT)
    if handed:
      pos_BT = pos_BT + 1  # position 0 would begin from nothing
    x_BTD = self.embed(tokens_BT, shown_BT, train)
    x_BTD, state = self.stack(x_BTD, pos_BT, state, train, memory)
    return self.final_norm(x_BTD), None if kept is None else state
