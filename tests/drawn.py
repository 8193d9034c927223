"""Parameters drawn by numpy: jax's generator takes longer to compile than what most tests try."""

import jax
import jax.numpy as jnp
import numpy as np


def drawn(init, *inputs, scale=0.4):
  """What `init(key, *inputs)` returns, every leaf normal with this deviation."""
  shapes, draw = jax.eval_shape(init, jax.random.key(0), *inputs), np.random.default_rng(0)
  return jax.tree.map(lambda s: jnp.asarray(scale * draw.standard_normal(s.shape), s.dtype), shapes)
