"""A decoder with a head over tags at every position in place of the one over tokens, and the scores
of a chain of tags.

Its parameters share the decoder's names, as those of `classifier` do.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.models.decoder import Decoder
from seqlab.models.dilated_cnn import DilatedCnn
from seqlab.nn.layers import bias, weight
from seqlab.ops.dense import dense


class Tagger(nn.Module):
  """Scores `tags` tags for each token.

  crf: also learns what tags give each other (arXiv:1603.01360, section 2.2). Those scores are
    biases by name: they start at 0, do not decay, and no optimizer takes them for a matrix.
  """

  decoder: Decoder | DilatedCnn
  tags: int
  crf: bool = True

  def setup(self) -> None:
    nn.share_scope(self, self.decoder)
    self.tags_DC = weight(self, "tags_DC", (self.decoder.width, self.tags))
    self.tags_bias_C = bias(self, "tags_bias_C", (self.tags,))
    if self.crf:
      self.transition_bias_CC = bias(self, "transition_bias_CC", (self.tags, self.tags))
      self.start_bias_C = bias(self, "start_bias_C", (self.tags,))
      self.end_bias_C = bias(self, "end_bias_C", (self.tags,))

  def __call__(self, tokens_BT: jax.Array, pos_BT: jax.Array, train: bool = False) -> jax.Array:
    """What each token gives each tag, [B, T, C] float32."""
    x_BTD, _ = self.decoder(tokens_BT, pos_BT, train=train)
    return dense(x_BTD.astype(jnp.float32), self.tags_DC) + self.tags_bias_C

  def chain(self) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What each tag (rows) gives the one after it, [C, C], and gives as the first and the last,
    [C]; zeros without a CRF.
    """
    if self.crf:
      return self.transition_bias_CC, self.start_bias_C, self.end_bias_C
    return jnp.zeros((self.tags, self.tags)), jnp.zeros(self.tags), jnp.zeros(self.tags)
