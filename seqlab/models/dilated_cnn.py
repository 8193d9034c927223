"""Residual convolutions whose reach doubles from layer to layer, over a whole text (dilations:
arXiv:1511.07122; of texts: arXiv:1610.10099, applied again and again: arXiv:1702.02098).
"""

import functools

import flax.linen as nn
import jax
import numpy as np

from seqlab import axes
from seqlab.nn.kernels import convolve
from seqlab.nn.layers import Norm, weight
from seqlab.ops.convolution import convolution_1d
from seqlab.ops.dense import dense


class Residual(nn.Module):
  """x + what a convolution finds in `hidden` features of it: ByteNet's block (arXiv:1610.10099,
  figure 3, left), reading both ways.
  """

  hidden: int
  window: int
  dilation: int
  norm: str
  dropout: float

  @nn.compact
  def __call__(self, x_BTD: jax.Array, text_BT: jax.Array, train: bool) -> jax.Array:
    """`text_BT` is 1 on the text and 0 on padding, which is read as zeros."""
    width, reach = x_BTD.shape[-1], (self.window - 1) * self.dilation
    x_BTF = dense(self._bent(x_BTD, "in"), weight(self, "in_DF", (width, self.hidden)))
    x_BTF = self._bent(x_BTF, "window") * text_BT[..., None].astype(x_BTF.dtype)
    around = functools.partial(
      convolution_1d, dilation=self.dilation, before=reach // 2, after=reach - reach // 2
    )
    x_BTF = axes.constrain(x_BTF, "BTF")
    x_BTF = convolve(self, "window", x_BTF, self.hidden, (self.window,), around)
    y_BTD = dense(self._bent(x_BTF, "out"), weight(self, "out_FD", (self.hidden, width)))
    return x_BTD + nn.Dropout(self.dropout, deterministic=not train)(y_BTD)

  def _bent(self, x: jax.Array, name: str) -> jax.Array:
    return jax.nn.relu(Norm(self.norm, name=f"{name}_norm")(x))


class DilatedCnn(nn.Module):
  """Features of the tokens of a text that is alone in its row, as a `Decoder` gives them.

  dilations: of the layers of a block. iterations: how often the block is gone through, with the
    same parameters each time (arXiv:1702.02098, section 3.1).
  """

  vocab: int
  width: int
  window: int
  dilations: tuple[int, ...]
  iterations: int
  hidden: int
  norm: str = "rms"
  dropout: float = 0.0
  dtype: str = "float32"

  def setup(self) -> None:
    self.embed_VD = weight(self, "embed_VD", (self.vocab, self.width), std=0.02)
    self.layers = [
      Residual(self.hidden, self.window, dilation, self.norm, self.dropout)
      for dilation in self.dilations
    ]
    self.final_norm = Norm(self.norm)
    self.drop = nn.Dropout(self.dropout)

  def __call__(
    self, tokens_BT: jax.Array, pos_BT: jax.Array, *, train: bool = False
  ) -> tuple[jax.Array, None]:
    """Features, [B, T, D] in `dtype`."""
    x_BTD = axes.constrain(self.embed_VD.astype(self.dtype), "V.")[tokens_BT]
    x_BTD = self.drop(axes.constrain(x_BTD, "BTD"), deterministic=not train)
    text_BT = (pos_BT > 0) | (np.arange(pos_BT.shape[1]) == 0)  # padding has position 0
    for layer in self.layers * self.iterations:
      x_BTD = axes.constrain(layer(x_BTD, text_BT, train), "BTD")
    return self.final_norm(x_BTD), None
