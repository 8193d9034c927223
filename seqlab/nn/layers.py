"""Stored parameters and the layers every block needs: weights named by their axes, norms, dropout.

Parameters are float32 masters; a layer computes in the dtype of its input.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.ops.activations import gelu
from seqlab.ops.dense import dense
from seqlab.ops.norm import layer_norm, rms_norm

ACTIVATIONS: dict[str, Callable] = dict(
  gelu=gelu,
  relu=jax.nn.relu,
  silu=jax.nn.silu,
  tanh=jnp.tanh,
  relu2=lambda x: jax.nn.relu(x) ** 2,
  leaky_relu=lambda x: jax.nn.leaky_relu(x, 0.2),
)


def weight(module: nn.Module, name: str, shape: tuple[int, ...], std: float | None = None) -> Any:
  """A float32 weight drawn from a truncated normal; std is 1/sqrt(fan-in) read from its letters."""
  if std is None:
    std = 1 / math.sqrt(math.prod(shape[i] for i in axes.fan_in_axes(name)))
  init = nn.initializers.truncated_normal(std / 0.87962566)  # the std that truncation at 2 leaves
  return module.param(name, init, shape, jnp.float32)


def bias(module: nn.Module, name: str, shape: tuple[int, ...], value: float = 0.0) -> Any:
  """A float32 vector that starts at `value`."""
  return module.param(name, nn.initializers.constant(value), shape, jnp.float32)


def started(module: nn.Module, name: str, start: Callable[..., Any], *sizes: int) -> Any:
  """A float32 parameter that starts at `start(key, *sizes)`, also where x64 makes that float64."""
  return module.param(name, lambda key: jnp.asarray(start(key, *sizes), jnp.float32))


NOTES = "intermediates"  # the collection that flax's `init` leaves out


def note(module: nn.Module, name: str, make: Callable[[], jax.Array]) -> None:
  """Keeps what `make` gives for who asks (`Network.noted`); else it is not computed."""
  if module.is_mutable_collection(NOTES):
    module.put_variable(NOTES, name, make())


def kept(module: nn.Module, rate: float, shape: tuple[int, ...], dtype: Any) -> jax.Array | None:
  """Factors of dropout (arXiv:1207.0580) inside a module that is not told of training: 0, or else
  1 / (1 - rate), where it has a "dropout" key; None where nothing is dropped.
  """
  if not rate or not module.has_rng("dropout"):
    return None
  kept = jax.random.bernoulli(module.make_rng("dropout"), 1 - rate, shape)
  return kept.astype(dtype) / (1 - rate)


def dropped(module: nn.Module, rate: float, x: jax.Array) -> jax.Array:
  """x under the factors of `kept`."""
  factors = kept(module, rate, x.shape, x.dtype)
  return x if factors is None else x * factors


def lookup(embed_VD: jax.Array, tokens: jax.Array) -> jax.Array:
  """The rows of ids [..., T], or the sum of rows by weights over ids [..., T, V], which have a
  gradient.
  """
  floats = jnp.issubdtype(tokens.dtype, jnp.floating)
  return dense(tokens.astype(embed_VD.dtype), embed_VD) if floats else embed_VD[tokens]


class Norm(nn.Module):
  """RMSNorm (arXiv:1910.07467) or LayerNorm (arXiv:1607.06450) over the last axis, float32
  inside; "none" lets all through.
  """

  kind: str = "rms"
  bias: bool = False

  @nn.compact
  def __call__(self, x_BTD: jax.Array) -> jax.Array:
    if self.kind == "none":
      return x_BTD
    width = x_BTD.shape[-1]
    scale_D = bias(self, "scale_D", (width,), 1.0)
    if self.kind == "rms":
      return rms_norm(x_BTD, scale_D)
    return layer_norm(x_BTD, scale_D, bias(self, "bias_D", (width,)) if self.bias else None)


def check_rate(dropout: float) -> None:
  if not 0 <= dropout < 1:
    raise UserError(f"dropout={dropout}: a rate from 0 to below 1 is wanted")
