"""A convolutional classifier of texts (Kim 2014, arXiv:1408.5882)."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.kernels import convolve
from seqlab.nn.layers import bias, lookup, weight
from seqlab.ops.convolution import convolution_1d
from seqlab.ops.dense import dense


class TextCnn(nn.Module):
  """The largest response of each of `channels` filters over every window of so many words, for each
  of `windows`; dropout, then the classes.

  limit: no class's weights are longer than this (Hinton 2012, arXiv:1207.0580); longer ones are
    used shortened, where the paper shortens them after a step.
  """

  vocab: int
  width: int
  classes: int
  windows: tuple[int, ...] = (3, 4, 5)
  channels: int = 100
  limit: float = 3.0
  dropout: float = 0.0
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self, tokens_BT: jax.Array, pos_BT: jax.Array, weight_BT: jax.Array, train: bool = False
  ) -> jax.Array:
    """Logits over the classes, [B, C] float32; `weight_BT` is 1 on tokens of the text, in place of
    whose ids there may be weights over ids, [B, T, V].
    """
    # The standard deviation of the paper's uniform ±0.25.
    embed_VD = weight(self, "embed_VD", (self.vocab, self.width), std=0.25 / math.sqrt(3))
    embed_VD = axes.constrain(embed_VD.astype(self.dtype), "V.")
    x_BTD = lookup(embed_VD, tokens_BT) * weight_BT[..., None].astype(self.dtype)
    found = []
    for size in self.windows:
      # Zeros around, so that a window may reach over either end, as in the paper's code.
      around = functools.partial(convolution_1d, before=size - 1, after=size - 1)
      y_BTF = convolve(self, f"window{size}", x_BTD, self.channels, (size,), around)
      # A window of padding alone has no say, however long the row.
      text_BT = jnp.pad(weight_BT, ((0, 0), (size - 1, size - 1))) > 0
      some_BT = jnp.stack([text_BT[:, i : i + y_BTF.shape[1]] for i in range(size)]).any(0)
      found.append(jnp.max(jnp.where(some_BT[..., None], jax.nn.relu(y_BTF), 0), 1))
    x_BF = nn.Dropout(self.dropout, deterministic=not train)(jnp.concatenate(found, -1))
    classes_FC = weight(self, "classes_FC", (x_BF.shape[-1], self.classes))
    length_C = jnp.sqrt(jnp.sum(classes_FC**2, 0) + 1e-12)
    classes_FC = classes_FC * jnp.minimum(self.limit / length_C, 1)
    logits_BC = dense(x_BF, classes_FC) + bias(self, "classes_bias_C", (self.classes,))
    return logits_BC.astype(jnp.float32)
