"""A decoder that tells a whole row from one feature, as MAD's compression asks (Poli 2024,
arXiv:2403.17844, section 3.1.6).
"""

import jax
import jax.numpy as jnp

from seqlab.models.decoder import Decoder
from seqlab.nn.layers import weight
from seqlab.ops.activations import gelu
from seqlab.ops.dense import dense
from seqlab.ops.rope import sinusoids


class Compressor(Decoder):
  """The a-th answer is told from the feature at its place, a sinusoid of a and two dense layers, so
  that answers told at one place may differ.
  """

  def setup(self) -> None:
    super().setup()
    # not a `Plain`: what only `logits` calls, `init` would not make
    self.unfold_DF = weight(self, "unfold_DF", (self.width, 4 * self.width))
    self.fold_FD = weight(self, "fold_FD", (4 * self.width, self.width))

  def logits(self, x_BAD: jax.Array) -> jax.Array:
    """Scores over the vocabulary in float32, [B, A, V]."""
    at_A = jnp.arange(x_BAD.shape[1])
    x_BAD = x_BAD + sinusoids(at_A, self.width).astype(x_BAD.dtype)
    x_BAD = x_BAD + dense(gelu(dense(x_BAD, self.unfold_DF)), self.fold_FD)
    return super().logits(self.final_norm(x_BAD))
