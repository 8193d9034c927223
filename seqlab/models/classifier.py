"""A decoder with a head over classes in place of the one over tokens.

Its parameters share the decoder's names, so that a pretrained decoder's checkpoint restores into it
with the class head as the only leaf that is missing.
"""

from typing import Any

import flax.linen as nn
import jax

from seqlab.models.decoder import Decoder
from seqlab.models.dilated_cnn import DilatedCnn
from seqlab.models.pooling import pooled
from seqlab.nn.layers import bias, weight
from seqlab.ops.dense import dense


class Classifier(nn.Module):
  """Pools the decoder's features over the tokens that count and scores the classes.

  pool: "mean" over the tokens of the text, or the feature of its "first" or its "last".
  """

  decoder: Decoder | DilatedCnn
  classes: int
  pool: str = "mean"

  def setup(self) -> None:
    nn.share_scope(self, self.decoder)
    self.classes_DC = weight(self, "classes_DC", (self.decoder.width, self.classes))
    self.classes_bias_C = bias(self, "classes_bias_C", (self.classes,))

  @property
  def types(self) -> int:
    return getattr(self.decoder, "types", 0)

  def __call__(
    self,
    tokens_BT: jax.Array,
    pos_BT: jax.Array,
    weight_BT: jax.Array,
    types_BT: jax.Array | None = None,
    train: bool = False,
  ) -> jax.Array:
    """Logits over the classes, [B, C] float32; `weight_BT` is 1 on tokens of the text and 0 on
    padding.
    """
    typed: dict[str, Any] = {} if types_BT is None else {"types_BT": types_BT}
    x_BTD, _ = self.decoder(tokens_BT, pos_BT, train=train, **typed)
    return dense(pooled(x_BTD, weight_BT, self.pool), self.classes_DC) + self.classes_bias_C
