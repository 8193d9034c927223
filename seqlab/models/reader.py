"""A stack of mixers that reads an array place by place: an image pixel by pixel, a series of
numbers.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from seqlab.models.classifier import Classifier
from seqlab.models.tagger import Tagger


class Reader(nn.Module):
  """Classes, or one number, of an array whose last axis holds what each place reads; of a tagger,
  scores at each place.

  A one stands beside the numbers of each place: normalised without it, a single number would lose
  its size. The embedding has a row for each of them, as for ids.

  permuted: places are read in one random order, the same for all arrays (permuted sequential
    MNIST, arXiv:1504.00941, section 4.2).
  """

  headed: Classifier | Tagger
  permuted: bool = False

  def setup(self) -> None:
    nn.share_scope(self, self.headed)

  @property
  def decoder(self) -> Any:
    return self.headed.decoder

  def __call__(self, x_BYXD: jax.Array, train: bool = False) -> jax.Array:
    """[B, C] float32, or [B, T, C], of an array with any axes between the first and the last."""
    x_BTV = x_BYXD.reshape(len(x_BYXD), -1, x_BYXD.shape[-1])
    batch, places, _ = x_BTV.shape
    if self.permuted:
      x_BTV = x_BTV[:, np.random.Generator(np.random.PCG64(0)).permutation(places)]
    x_BTV = jnp.concatenate([x_BTV, jnp.ones((batch, places, 1), x_BTV.dtype)], -1)
    pos_BT = jnp.broadcast_to(jnp.arange(places), (batch, places))
    if isinstance(self.headed, Tagger):
      return self.headed(x_BTV, pos_BT, train=train)
    return self.headed(x_BTV, pos_BT, jnp.ones((batch, places)), train=train)
