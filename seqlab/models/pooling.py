"""One feature of a text out of those of its tokens."""

import jax
import jax.numpy as jnp


def pooled(x_BTD: jax.Array, weight_BT: jax.Array, how: str) -> jax.Array:
  """ "mean" over the tokens of weight 1, or that of the "first" or the "last" of them: [B, D]
  float32. Padding, of weight 0, is at the end; the first is end-of-text, before every text, which
  an encoder fills as it does BERT's [CLS].
  """
  x_BTD = x_BTD.astype(jnp.float32)
  if how == "first":
    return x_BTD[:, 0]
  if how == "last":
    last_B = jnp.maximum(weight_BT.sum(1).astype(jnp.int32) - 1, 0)
    return jnp.take_along_axis(x_BTD, last_B[:, None, None], axis=1)[:, 0]
  total_BD = jnp.sum(x_BTD * weight_BT[..., None], axis=1)
  return total_BD / jnp.maximum(weight_BT.sum(1), 1)[:, None]
