"""Gated DeltaNet (Yang 2024, arXiv:2412.06464, equation 10 and figure 1): DeltaNet whose state also
decays, by one number a head, and whose output is gated.

    S_t = exp(g_t) (S_{t-1} - b_t k_t (k_t^T S_{t-1})) + b_t k_t v_t^T,   y_t = q_t S_t
    g_t = -exp(a) softplus(x_t @ W_g + b_g)                               as Mamba-2's
"""

import jax

from seqlab.nn.mixers.delta_net import DeltaNet
from seqlab.nn.mixers.parts import gated, selective_decay


class GatedDeltaNet(DeltaNet):
  """Arguments as of `DeltaNet`."""

  def decays(self, x_BTD: jax.Array) -> jax.Array:
    return selective_decay(self, x_BTD, self.heads)[1]

  def normed(self, y_BTHK: jax.Array, x_BTD: jax.Array) -> jax.Array:
    return gated(self, y_BTHK, x_BTD)
