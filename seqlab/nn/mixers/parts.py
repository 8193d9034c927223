"""What mixers share: checks, and the ways in and out."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError
from seqlab.nn.layers import Norm, started, weight
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense
from seqlab.ops.linear_recurrence import linear_recurrence


def check_positive(mixer: nn.Module, *names: str) -> None:
  """Raises a UserError where a number among these fields is not above zero."""
  for name in names:
    if not 0 < getattr(mixer, name) < float("inf"):
      raise UserError(f"{name}={getattr(mixer, name)} must be positive")


def check_not_negative(mixer: nn.Module, *names: str) -> None:
  """Raises a UserError where a number among these fields is below zero, which stands for a size
  that follows from the width.
  """
  for name in names:
    if not 0 <= getattr(mixer, name) < float("inf"):
      raise UserError(f"{name}={getattr(mixer, name)} must be positive, or 0")


def check_finite(mixer: nn.Module, *names: str) -> None:
  """Raises a UserError where a number among these fields is infinite or none."""
  for name in names:
    if not math.isfinite(getattr(mixer, name)):
      raise UserError(f"{name}={getattr(mixer, name)} must be finite")


def check_steps(mixer: nn.Module) -> None:
  """Of state-space models that are held over time steps `slowest` to `fastest`."""
  slowest, fastest = mixer.slowest, mixer.fastest
  if not 0 < slowest <= fastest < float("inf"):
    raise UserError(f"slowest={slowest}, fastest={fastest}: 0 < slowest <= fastest is wanted")


def divided(total: int, heads: int, what: str = "the width", otherwise: str = "") -> int:
  """The width of a head.

  Raises:
    UserError: the heads do not divide the total.
  """
  if total % heads:
    ways = "choose a divisor" + f", or {otherwise}" * bool(otherwise)
    raise UserError(f"heads={heads} does not divide {what} {total}; {ways}")
  return total // heads


def projected(
  module: nn.Module, name: str, x_BTD: jax.Array, heads: int, head_width: int
) -> jax.Array:
  """[B, T, H, K]."""
  w_DHK = weight(module, f"{name}_DHK", (x_BTD.shape[-1], heads, head_width))
  return axes.constrain(dense(x_BTD, w_DHK), "BTHK")


def per_head(module: nn.Module, name: str, x_BTD: jax.Array, heads: int) -> jax.Array:
  """One number a head, [B, T, H], in float32."""
  w_DH = weight(module, f"{name}_DH", (x_BTD.shape[-1], heads))
  return widened(axes.constrain(dense(x_BTD, w_DH), "BTH"))


def to_hidden(module: nn.Module, name: str, x_BTD: jax.Array, hidden: int) -> jax.Array:
  """[B, T, F]."""
  w_DF = weight(module, f"{name}_DF", (x_BTD.shape[-1], hidden))
  return axes.constrain(dense(x_BTD, w_DF), "BTF")


def heads_first(*arrays: jax.Array) -> tuple[jax.Array, ...]:
  """[B, T, H, ...] -> [B, H, T, ...], as the ops take them, and back."""
  return tuple(jnp.swapaxes(x, 1, 2) for x in arrays)


def to_width(module: nn.Module, y_BTHK: jax.Array, width: int) -> jax.Array:
  """The way out, [B, T, D]."""
  w_HKD = weight(module, "out_HKD", (*y_BTHK.shape[2:], width))
  return dense(y_BTHK, w_HKD, contract=2)


def gated(module: nn.Module, y_BTHK: jax.Array, x_BTD: jax.Array) -> jax.Array:
  """Each head under RMS norm, times a gate of the input (arXiv:2307.08621, equation 8)."""
  gate_BTHK = projected(module, "gate", x_BTD, *y_BTHK.shape[2:])
  return Norm(name="head_norm")(y_BTHK) * jax.nn.silu(gate_BTHK)


def unit(x: jax.Array) -> jax.Array:
  """x over its length in the last axis, in x's dtype."""
  wide = widened(x)
  return (wide * jax.lax.rsqrt(jnp.sum(wide * wide, -1, keepdims=True) + 1e-6)).astype(x.dtype)


def within_heads(
  module: nn.Module, name: str, x_BTHK: jax.Array, out: int = 0, std: float | None = None
) -> jax.Array:
  """x @ W with a matrix for each head (`name_HKK`), or to `out` numbers of it (`name_HKG`)."""
  heads, size = x_BTHK.shape[2:]
  letters = "HKG" if out else "HKK"
  w = weight(module, f"{name}_{letters}", (heads, size, out or size), std=std or size**-0.5)
  return jnp.einsum("bthk,hkj->bthj", x_BTHK, w.astype(x_BTHK.dtype))


def first_steps(key: jax.Array, size: int) -> jax.Array:
  """Numbers whose softplus is drawn between 0.001 and 0.1, evenly in the logarithm: time steps as
  Mamba's start (arXiv:2312.00752, section 3.6).
  """
  step = jnp.exp(jax.random.uniform(key, (size,), minval=jnp.log(0.001), maxval=jnp.log(0.1)))
  return step + jnp.log(-jnp.expm1(-step))


def selective_decay(module: nn.Module, x_BTD: jax.Array, heads: int) -> tuple[jax.Array, jax.Array]:
  """Time steps softplus(x @ W + b) and what decays over them, -exp(a) times them, both [B, T, H] in
  float32; they start as Mamba-2's do (arXiv:2405.21060, in the authors' code).
  """

  def first_rate(key: jax.Array) -> jax.Array:
    return jnp.log(jax.random.uniform(key, (heads,), minval=1.0, maxval=16.0))

  step_BTH = per_head(module, "step", x_BTD, heads) + started(
    module, "step_bias_H", first_steps, heads
  )
  step_BTH = jax.nn.softplus(step_BTH)
  return step_BTH, -jnp.exp(started(module, "rate_H", first_rate)) * step_BTH


def recurrence(a_BTF: jax.Array, b_BTF: jax.Array, h_BF: jax.Array) -> jax.Array:
  """Every state of h_t = a_t h_{t-1} + b_t, each device running through its own part of time."""
  return linear_recurrence(a_BTF, b_BTF, h_BF, axis=axes.time_axis(a_BTF))


def above_zero(x: jax.Array) -> jax.Array:
  """The g of minGRU and minLSTM: x + 0.5, and sigmoid(x) below 0 (arXiv:2410.01201, appendix B)."""
  return jnp.where(x >= 0, x + 0.5, jax.nn.sigmoid(x))
