"""The largest singular value of a matrix, by power iteration (arXiv:1802.05957, section 2.1)."""

import jax.numpy as jnp
import numpy as np
from jax import lax

ITERATIONS = 30


def spectral_norm(w_MN):
  """A scalar in w's dtype, from below: of matrices drawn at random, whose values lie closest, at
  most 2 % too small.

  The iteration begins anew at the same vector each time, so there is nothing to carry from step to
  step; its vectors get no gradient, which makes that of the result u v^T (equation 11).
  """
  fixed_MN = lax.stop_gradient(w_MN)
  start_N = np.random.default_rng(0).normal(size=w_MN.shape[1])

  def unit(x):
    return x / jnp.sqrt(jnp.sum(x**2) + jnp.finfo(x.dtype).tiny)

  def turn(_, v_N):
    return unit(unit(fixed_MN @ v_N) @ fixed_MN)

  v_N = lax.fori_loop(0, ITERATIONS, turn, unit(jnp.asarray(start_N, w_MN.dtype)))
  return unit(fixed_MN @ v_N) @ w_MN @ v_N
