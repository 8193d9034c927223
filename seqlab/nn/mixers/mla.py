"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1): keys and values are
made of a short vector a token, and that alone is kept.

    c_t = norm(x_t @ W_c)                    the latent vector              equation 9
    k_t = [c_t @ W_k; rope(x_t @ W_r)]       heads share the second part    equations 10, 14 to 17
    v_t = c_t @ W_v                                                         equation 11

Queries are made of x itself, without the short vector of equations 12 and 13, which saves memory
of training alone. Over a whole sequence keys and values are made. Over a cache they never are: W_k
goes to the queries and W_v to the outputs, so that all heads read the latent vectors themselves.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.errors import UserError
from seqlab.nn.layers import Norm, weight
from seqlab.nn.mixers import cache
from seqlab.nn.mixers.base import BothWays, Mixer
from seqlab.nn.mixers.parts import (
  check_not_negative,
  check_positive,
  divided,
  heads_first,
  projected,
  to_width,
)
from seqlab.ops.attention_weights import Scores
from seqlab.ops.dense import dense
from seqlab.ops.rope import rope


class MLA(Mixer):
  """heads. latent: width of the latent vector, 0 for half of the width. rope_width: of the part of
  keys that has positions, 0 for half of a head's. head_width: of the part that has none, 0 for
  width / heads. window: tokens a query sees, 0 for all.
  """

  causal: ClassVar[bool] = True

  heads: int = 4
  latent: int = 0
  rope_width: int = 0
  head_width: int = 0
  window: int = 0
  rope_base: float = 10000.0

  def check(self, width: int) -> None:
    check_positive(self, "heads", "rope_base")
    check_not_negative(self, "latent", "rope_width", "head_width", "window")
    if self._widths(width)[2] % 2:
      raise UserError(f"rope_width={self._widths(width)[2]} must be even for rope")

  def _widths(self, width: int) -> tuple[int, int, int]:
    """Of the latent vector, of a head without positions, of the part with them."""
    head = self.head_width or divided(width, self.heads)
    return self.latent or max(width // 2, 1), head, self.rope_width or max(head // 4 * 2, 2)

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    width, heads = x_BTD.shape[-1], self.heads
    self.check_state(x_BTD, state)
    latent, head, turned = self._widths(width)
    q_BTHK = projected(self, "q", x_BTD, heads, head)
    turned_BTHK = rope(projected(self, "turned", x_BTD, heads, turned), pos_BT, self.rope_base)
    c_BTR = Norm(name="latent_norm")(dense(x_BTD, weight(self, "latent_DR", (width, latent))))
    r_BTK = dense(x_BTD, weight(self, "place_DK", (width, turned)))
    r_BT1K = rope(r_BTK[:, :, None], pos_BT, self.rope_base)
    k_RHK, v_RHK = (weight(self, f"{n}_RHK", (latent, heads, head)) for n in "kv")
    mask = cache.mask(pos_BT, state, self.window, self.causal, prefix_BT)
    scores = Scores((head + turned) ** -0.5)
    if state is None:
      k_BTHK, v_BTHK = dense(c_BTR, k_RHK), dense(c_BTR, v_RHK)
      r_BTHK = jnp.broadcast_to(r_BT1K, turned_BTHK.shape)
      q, k, v = heads_first(
        jnp.append(q_BTHK, turned_BTHK, -1), jnp.append(k_BTHK, r_BTHK, -1), v_BTHK
      )
      y = cache.attend_itself(q, k, v, mask, scores)
      return to_width(self, heads_first(y)[0], width), None

    q_BTHR = jnp.einsum("bthk,rhk->bthr", q_BTHK, k_RHK.astype(q_BTHK.dtype))
    q, k = heads_first(
      jnp.append(q_BTHR, turned_BTHK, -1), jnp.append(c_BTR[:, :, None], r_BT1K, -1)
    )
    old = state["latent_BHSK"]
    y = cache.attend(q, k, k[..., :latent], old, old[..., :latent], mask, scores)
    y_BTHK = jnp.einsum("bhtr,rhk->bthk", y, v_RHK.astype(y.dtype))
    return to_width(self, y_BTHK, width), cache.kept(state, dict(latent_BHSK=k), pos_BT, y)

  def noncausal(self) -> Mixer | None:
    """The same without the causal mask."""
    return self.as_a(MLABothWays, of=MLA)

  def prefixed(self) -> Mixer | None:
    """The same, whose causal mask is lifted inside a prefix."""
    return self.as_a(MLAOverPrefix, of=MLA)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    ring, (latent, _, turned) = cache.empty(batch, capacity, self.window), self._widths(width)
    shape = batch, 1, cache.slots(ring), latent + turned
    return dict(latent_BHSK=jnp.zeros(shape, dtype), **ring)


class MLABothWays(BothWays, MLA):
  """The same without the causal mask."""


class MLAOverPrefix(MLA):
  """The same, whose causal mask is lifted inside a prefix."""

  reads_prefix: ClassVar[bool] = True
