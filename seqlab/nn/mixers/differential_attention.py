"""Differential attention (Ye 2024, arXiv:2410.05258, section 2.1): what a second softmax sees is
taken from what a first one sees, so that noise which both see goes.

    y = (softmax(q1 k1^T) - lambda softmax(q2 k2^T)) v,   out = ((1 - first) norm(y)) @ W
    lambda = exp(lq1 . lk1) - exp(lq2 . lk2) + first                        equation 2

`first` is 0.8 - 0.6 exp(-0.3 (l - 1)) in the paper's layer l; here it is one number for all layers.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab.errors import UserError
from seqlab.nn.layers import Norm, weight
from seqlab.nn.mixers import cache
from seqlab.nn.mixers.base import BothWays, Mixer
from seqlab.nn.mixers.parts import check_positive, divided, heads_first, projected, to_width
from seqlab.ops.rope import rope


class DifferentialAttention(Mixer):
  """heads: differences of two softmaxes, each over values as wide as two keys. window: tokens a
  query sees, 0 for all. first: where lambda starts.
  """

  causal: ClassVar[bool] = True

  heads: int = 2
  window: int = 0
  rope_base: float = 10000.0
  first: float = 0.8

  def check(self, width: int) -> None:
    check_positive(self, "heads", "rope_base")
    if self.window < 0 or not 0 <= self.first < 1:
      raise UserError(f"window={self.window}, first={self.first}: 0 or more, and 0 to below 1")
    if width % 2 or divided(width // 2, self.heads, "half the width") % 2:
      raise UserError(
        f"heads={self.heads}: keys of {width / (2 * self.heads):g} are not even for rope"
      )

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
    size = divided(width // 2, heads)
    names = "q1", "k1", "q2", "k2"
    q1, k1, q2, k2 = heads_first(
      *(rope(projected(self, n, x_BTD, heads, size), pos_BT, self.rope_base) for n in names)
    )
    (v,) = heads_first(projected(self, "v", x_BTD, heads, 2 * size))
    mask = cache.mask(pos_BT, state, self.window, self.causal, prefix_BT)

    def read(q: jax.Array, k: jax.Array, name: str) -> jax.Array:
      if state is None:
        return cache.attend_itself(q, k, v, mask)
      return cache.attend(q, k, v, state[f"{name}_BHSK"], state["v_BHSK"], mask)

    # as the authors draw them
    l_K = {n: weight(self, f"lambda_{n}_K", (size,), std=0.1) for n in names}
    apart = [jnp.exp(jnp.sum(l_K[f"q{i}"] * l_K[f"k{i}"])) for i in "12"]
    share = (apart[0] - apart[1] + self.first).astype(x_BTD.dtype)
    y_BHTK = read(q1, k1, "k1") - share * read(q2, k2, "k2")
    y_BTHK = (1 - self.first) * Norm(name="head_norm")(heads_first(y_BHTK)[0])
    y_BTD = to_width(self, y_BTHK, width)
    if state is None:
      return y_BTD, None
    return y_BTD, cache.kept(state, dict(k1_BHSK=k1, k2_BHSK=k2, v_BHSK=v), pos_BT, y_BHTK)

  def noncausal(self) -> Mixer | None:
    """The same without the causal mask."""
    return self.as_a(DifferentialAttentionBothWays, of=DifferentialAttention)

  def prefixed(self) -> Mixer | None:
    """The same, whose causal mask is lifted inside a prefix."""
    return self.as_a(DifferentialAttentionOverPrefix, of=DifferentialAttention)

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    ring, size = cache.empty(batch, capacity, self.window), width // (2 * self.heads)
    shape = batch, self.heads, cache.slots(ring)
    arrays = dict(k1_BHSK=size, k2_BHSK=size, v_BHSK=2 * size)
    return ring | {name: jnp.zeros((*shape, n), dtype) for name, n in arrays.items()}


class DifferentialAttentionBothWays(BothWays, DifferentialAttention):
  """The same without the causal mask."""


class DifferentialAttentionOverPrefix(DifferentialAttention):
  """The same, whose causal mask is lifted inside a prefix."""

  reads_prefix: ClassVar[bool] = True
