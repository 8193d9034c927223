"""What mixers see of the tokens just before."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.nn.layers import bias, weight
from seqlab.ops.parts_of_time import one_earlier, with_earlier
from seqlab.ops.short_convolution import short_convolution


def convolved(
  module: nn.Module,
  name: str,
  x: jax.Array,
  pos_BT: jax.Array,
  state: dict,
  size: int,
  biased: bool = False,
) -> tuple[jax.Array, dict]:
  """A causal convolution over `size` steps of each channel of x, [B, T, F] or [B, T, H, K], and the
  inputs that the next call needs, under the name that `window` gives them.
  """
  letters, channels = "F" if x.ndim == 3 else "HK", math.prod(x.shape[2:])
  w = weight(module, f"{name}_taps_W{letters}", (size, *x.shape[2:]), std=size**-0.5)
  before = state[f"{name}_window_BW{letters}"]
  y_BTF, last_BWF = short_convolution(
    x.reshape(*x.shape[:2], channels),
    w.reshape(size, channels),
    pos_BT,
    before.reshape(*before.shape[:2], channels),
    axis=axes.time_axis(pos_BT),
  )
  y = y_BTF.reshape(x.shape)
  if biased:
    y += bias(module, f"{name}_conv_bias_{letters}", x.shape[2:]).astype(y.dtype)
  return y, {f"{name}_window_BW{letters}": last_BWF.reshape(before.shape)}


def window(name: str, batch: int, size: int, *shape: int) -> dict:
  """The state of `convolved` before the first token."""
  letters = "F" if len(shape) == 1 else "HK"
  return {f"{name}_window_BW{letters}": jnp.zeros((batch, size - 1, *shape), jnp.float32)}


def in_sight(
  x_BTD: jax.Array, pos_BT: jax.Array, before_BWD: jax.Array, size: int, dilation: int = 1
) -> tuple[jax.Array, jax.Array]:
  """What a convolution of `size` places, `dilation` steps apart, sees from each step, the oldest
  first, [B, T, W, D], inputs of other documents being 0; and the inputs that the next call needs.
  `before_BWD` are the (size - 1) * dilation inputs before.
  """
  reach = (size - 1) * dilation

  def seen(all_BTD: jax.Array, pos_BT: jax.Array) -> jax.Array:
    def at(lag: int) -> jax.Array:
      x_BTD = all_BTD[:, reach - lag : reach - lag + pos_BT.shape[1]]
      return jnp.where((pos_BT >= lag)[..., None], x_BTD, 0)

    return jnp.stack([at(lag) for lag in range(reach, -1, -dilation)], 2)

  before, axis = before_BWD.astype(x_BTD.dtype), axes.time_axis(pos_BT)
  x_BTWD, last_BWD = with_earlier(seen, before, x_BTD, pos_BT, axis=axis)
  return x_BTWD, last_BWD.astype(before_BWD.dtype)


def shifted(x_BTD: jax.Array, pos_BT: jax.Array, before_BD: jax.Array) -> jax.Array:
  """The input one step earlier, 0 where a document begins (RWKV's token shift)."""
  earlier_BTD = one_earlier(x_BTD, before_BD.astype(x_BTD.dtype), axes.time_axis(pos_BT))
  return jnp.where((pos_BT > 0)[..., None], earlier_BTD, 0)
