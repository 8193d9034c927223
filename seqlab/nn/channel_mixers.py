"""Channel mixing: what a block does to each token by itself, the members of `config.model.mlp`."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax

from seqlab import axes
from seqlab.errors import UserError, nearest
from seqlab.nn.layers import ACTIVATIONS, bias, check_rate, dropped, weight
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.experts import expert_mixture, routed, routing_losses, with_loss


def _check(ratio: float, activation: str, dropout: float, hidden: int = 0) -> None:
  check_rate(dropout)
  if hidden < 0:
    raise UserError(f"hidden={hidden}: a number of units is wanted, or 0 for ratio * width")
  if not 0 < ratio < math.inf:
    raise UserError(f"ratio={ratio}: a positive number is wanted")
  if activation not in ACTIVATIONS:
    raise UserError(
      f"activation={activation!r}{nearest(activation, ACTIVATIONS)}: choose from "
      f"{', '.join(ACTIVATIONS)}"
    )


class Plain(nn.Module):
  """Two-layer channel mixing: `out(activation(x @ in))`, hidden width `ratio` times the width.

  hidden: the hidden width itself, 0 for that of the ratio. dropout: of the hidden units, beside
    config.model.dropout, which is of what a block adds.
  """

  ratio: float = 4.0
  activation: str = "gelu"
  bias: bool = False
  dropout: float = 0.0
  hidden: int = 0

  def check(self, width: int) -> None:
    _check(self.ratio, self.activation, self.dropout, self.hidden)

  @nn.compact
  def __call__(self, x_BTD: jax.Array) -> jax.Array:
    width = x_BTD.shape[-1]
    hidden = self.hidden or max(round(self.ratio * width), 1)
    x_BTF = dense(x_BTD, weight(self, "in_DF", (width, hidden)))
    if self.bias:
      x_BTF += bias(self, "bias_F", (hidden,)).astype(x_BTF.dtype)
    x_BTF = ACTIVATIONS[self.activation](axes.constrain(x_BTF, "BTF"))
    x_BTF = dropped(self, self.dropout, x_BTF)
    y_BTD = dense(x_BTF, weight(self, "out_FD", (hidden, width)))
    if self.bias:
      y_BTD += bias(self, "bias_D", (width,)).astype(y_BTD.dtype)
    return y_BTD


class Gated(nn.Module):
  """Gated channel mixing (GLU variants, arXiv:2002.05202): `out(activation(x @ gate) * (x @ in))`.

  `ratio` 8/3 has the parameters of `Plain` at 4; the hidden width is rounded up to a multiple of 8.
  hidden, dropout: as of `Plain`.
  """

  ratio: float = 8 / 3
  activation: str = "silu"
  dropout: float = 0.0
  hidden: int = 0

  def check(self, width: int) -> None:
    _check(self.ratio, self.activation, self.dropout, self.hidden)

  @nn.compact
  def __call__(self, x_BTD: jax.Array) -> jax.Array:
    width = x_BTD.shape[-1]
    hidden = self.hidden or 8 * math.ceil(self.ratio * width / 8)
    gate_BTF = dense(x_BTD, weight(self, "gate_DF", (width, hidden)))
    x_BTF = dense(x_BTD, weight(self, "in_DF", (width, hidden)))
    x_BTF = ACTIVATIONS[self.activation](axes.constrain(gate_BTF, "BTF")) * x_BTF
    return dense(dropped(self, self.dropout, x_BTF), weight(self, "out_FD", (hidden, width)))


class Moe(nn.Module):
  """A mixture of experts: `active` of `experts` gated networks read each token, chosen by scores of
  a learned router; none is full and no token is dropped.

  ratio: hidden width of each expert, as of `Gated`; `active` of them cost what `Gated` costs at
    active * ratio. balance, z: weights of the losses that even out the choices and keep the scores
    small (`ops.experts.routing_losses`), added to the objective's; its metrics leave them out. They
    are means over the tokens that come in one call, padding among them: of a microbatch.
  """

  experts: int = 8
  active: int = 2
  ratio: float = 4 / 3
  activation: str = "silu"
  balance: float = 0.01
  z: float = 0.001

  def check(self, width: int) -> None:
    _check(self.ratio, self.activation, 0.0)
    if not 1 <= self.active <= self.experts:
      raise UserError(
        f"active={self.active} of experts={self.experts}: from 1 to all of them are wanted"
      )
    for name in ("balance", "z"):
      if not 0 <= getattr(self, name) < math.inf:
        raise UserError(f"{name}={getattr(self, name)}: the weight of a loss, 0 or more, is wanted")

  @nn.compact
  def __call__(self, x_BTD: jax.Array) -> jax.Array:
    width = x_BTD.shape[-1]
    hidden = 8 * math.ceil(self.ratio * width / 8)
    x_ND = x_BTD.reshape(-1, width)
    # Choices are of float32 scores, on GPUs too, whose default is TensorFloat-32: rounded, they
    # would come out otherwise one token at a time.
    with jax.default_matmul_precision("highest"):
      logits_NE = dense(widened(x_ND), weight(self, "router_DE", (width, self.experts)))
    share_NA, expert_NA = routed(logits_NE, self.active)
    gate_EDF, in_EDF = (
      weight(self, name, (self.experts, width, hidden)) for name in ("gate_EDF", "in_EDF")
    )
    out_EFD = weight(self, "out_EFD", (self.experts, hidden, width))
    activation = ACTIVATIONS[self.activation]
    y_ND = expert_mixture(x_ND, share_NA, expert_NA, gate_EDF, in_EDF, out_EFD, activation)
    balance, z = routing_losses(logits_NE, expert_NA)
    y_ND = with_loss(y_ND, self.balance * balance + self.z * z)
    return y_ND.reshape(x_BTD.shape)


def no_channel_mixing() -> None:
  """Blocks of a mixer alone, as in MQAR's models and plain recurrent stacks."""


CHANNEL_MIXERS: dict[str, Callable] = dict(
  plain=Plain, gated=Gated, moe=Moe, none=no_channel_mixing
)
