"""S5: one state-space model with many inputs and outputs (Smith 2023, arXiv:2208.04933).

    x' = A x + B u, y = Re(C x) + D * u, A diagonal and complex, held over a time step dt
    x_t = exp(A dt) x_{t-1} + A^-1 (exp(A dt) - 1) B u_t                 equation 6

A starts as the eigenvalues of the normal part of HiPPO-LegS (appendix B.1.1), in blocks, of which
one of each conjugate pair is kept (hence y = 2 Re(C x)); B and C start in its eigenvectors. The
activation behind it in the paper's layer is the block's channel mixing here, its two directions
are `bidirectional` (an encoder's), and A, dt and B learn at a rate of their own by config.rates.
"""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from seqlab.errors import UserError
from seqlab.nn.layers import started
from seqlab.nn.mixers.base import Mixer
from seqlab.nn.mixers.diagonal import diagonal, empty, joined, read
from seqlab.nn.mixers.parts import check_not_negative, check_positive, check_steps
from seqlab.ops.backend import widened
from seqlab.ops.dense import dense


class S5(Mixer):
  """hidden: complex numbers of state, half of the paper's P; 0 for half the width. blocks: of the
  matrix that A starts from. fastest, slowest: time steps at first, evenly in the logarithm.
  """

  hidden: int = 0
  blocks: int = 1
  slowest: float = 0.001
  fastest: float = 0.1

  def check(self, width: int) -> None:
    check_positive(self, "blocks")
    check_not_negative(self, "hidden")
    check_steps(self)
    if self._hidden(width) % self.blocks:
      raise UserError(f"blocks={self.blocks} does not divide hidden={self._hidden(width)}")

  def _hidden(self, width: int) -> int:
    return self.hidden or max(width // 2, 1)

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, pos_BT: jax.Array, state: dict | None = None
  ) -> tuple[jax.Array, dict | None]:
    width = x_BTD.shape[-1]
    hidden, start = self._hidden(width), self.before(x_BTD, state)

    def eigenvalues() -> np.ndarray:
      return np.tile(hippo(hidden // self.blocks)[0], self.blocks)

    def back() -> np.ndarray:  # to the basis of eigenvectors
      return np.kron(np.eye(self.blocks), hippo(hidden // self.blocks)[1].conj().T)

    def inputs(key: jax.Array) -> jax.Array:
      drawn = jax.random.normal(key, (2 * hidden, width)) / math.sqrt(width)
      there = (jnp.asarray(back(), jnp.complex64) @ drawn).T
      return jnp.stack([there.real, there.imag], 1)

    def outputs(key: jax.Array) -> jax.Array:
      drawn = jax.random.normal(key, (width, 2 * hidden, 2)) / math.sqrt(2 * hidden)
      there = ((drawn[..., 0] + 1j * drawn[..., 1]) @ jnp.asarray(back().conj().T, jnp.complex64)).T
      return 2 * jnp.stack([there.real, there.imag])

    def steps(key: jax.Array) -> jax.Array:
      low, high = math.log(self.slowest), math.log(self.fastest)
      return jax.random.uniform(key, (hidden,), minval=low, maxval=high)

    shrink_F = started(self, "shrink_F", lambda _: jnp.log(jnp.float32(-eigenvalues().real)))
    turn_F = started(self, "turn_F", lambda _: eigenvalues().imag)
    step_F = jnp.exp(started(self, "step_F", steps))
    a_F = jax.lax.complex(-jnp.exp(shrink_F), turn_F)
    lambda_F = jnp.exp(a_F * step_F)
    in_BTGF = widened(dense(x_BTD, started(self, "in_DGF", inputs)))
    in_BTF = jnp.expm1(a_F * step_F) / a_F * joined(in_BTGF)
    h_BTF, last = diagonal(lambda_F, in_BTF, pos_BT == 0, start)
    y_BTD = read(self, h_BTF, x_BTD, started(self, "out_GFD", outputs))
    return y_BTD, None if state is None else last

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    return empty(batch, self._hidden(width))


@functools.lru_cache(maxsize=4)
def hippo(pairs: int) -> tuple[np.ndarray, np.ndarray]:
  """Eigenvalues with a positive imaginary part of the normal part of HiPPO-LegS of twice the size,
  [F], and their eigenvectors as columns [2F, F] (arXiv:2206.11893, section 4.1).
  """
  place = np.arange(2 * pairs)
  root = np.sqrt(2 * place + 1)
  skew = np.tril(np.outer(root, root), -1) / 2
  # The normal part is -1/2 minus a skew matrix; i times a skew matrix is Hermitian.
  values, vectors = np.linalg.eigh(1j * (skew - skew.T))
  keep = values > 0
  return -0.5 + 1j * values[keep], vectors[:, keep]
