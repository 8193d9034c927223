"""Softmax attention over the tokens of a document that came before.

Attention as in Vaswani 2017 (arXiv:1706.03762, eq. 1) with grouped-query heads (arXiv:2305.13245),
a sliding window (arXiv:2004.05150) whose cache is a ring, rotary positions (arXiv:2104.09864,
rotate-half as in GPT-NeoX) or others, RMS-normed queries and keys (arXiv:2302.05442) and
soft-capped scores (Gemma 2, arXiv:2408.00118).
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from seqlab import axes
from seqlab.errors import UserError, nearest
from seqlab.nn.layers import Norm, bias, check_rate, kept, note, weight
from seqlab.nn.mixers import cache
from seqlab.nn.mixers.base import BothWays, Mixer
from seqlab.nn.mixers.parts import check_not_negative, check_positive, divided
from seqlab.ops.attention_weights import Scores, attention_weights
from seqlab.ops.dense import dense
from seqlab.ops.rope import rope, sinusoids

POSITIONS = ("rope", "xpos", "alibi", "sinusoidal", "none")


class Attention(Mixer):
  """Multi-head attention.

  heads: query heads. kv_heads: key and value heads, 0 for as many as query heads.
  head_width: 0 for width / heads. window: tokens a query sees, itself included; 0 for all.
  positions: "rope"; "xpos", rotary ones that fall off with distance (arXiv:2212.10554; up to some
    30,000 tokens, where float32 ends); "alibi" (arXiv:2108.12409); "sinusoidal", added to what
    every such layer reads (arXiv:1807.03819, section 2.1); or "none" (order is then seen through
    the causal mask alone). rope_scale: positions are divided by it, for texts longer than those
    that were trained on (arXiv:2306.15595).
  qk_norm: RMS-norm queries and keys over each head. softcap: scores become cap·tanh(s/cap); 0 for
    none. dropout: of the weights.
  """

  causal: ClassVar[bool] = True

  heads: int = 4
  kv_heads: int = 0
  head_width: int = 0
  window: int = 0
  positions: str = "rope"
  rope_base: float = 10000.0
  rope_scale: float = 1.0
  qk_norm: bool = False
  softcap: float = 0.0
  bias: bool = False
  dropout: float = 0.0

  @nn.compact
  def __call__(
    self,
    x_BTD: jax.Array,
    pos_BT: jax.Array,
    state: dict | None = None,
    prefix_BT: jax.Array | None = None,
  ) -> tuple[jax.Array, dict | None]:
    width, kv_heads, head_width = x_BTD.shape[-1], *self._heads(x_BTD.shape[-1])
    self.check_state(x_BTD, state)
    if self.positions == "sinusoidal":
      x_BTD = x_BTD + sinusoids(pos_BT, width).astype(x_BTD.dtype)
    q_BTHK = self._project(x_BTD, "q", self.heads, head_width)
    k_BTHK = self._project(x_BTD, "k", kv_heads, head_width)
    v_BTHK = self._project(x_BTD, "v", kv_heads, head_width)
    if self.qk_norm:
      q_BTHK, k_BTHK = Norm(name="q_norm")(q_BTHK), Norm(name="k_norm")(k_BTHK)
    if self.positions in ("rope", "xpos"):
      of, falls = dict(base=self.rope_base, scale=self.rope_scale), int(self.positions == "xpos")
      q_BTHK, k_BTHK = (
        rope(q_BTHK, pos_BT, **of, xpos=falls),
        rope(k_BTHK, pos_BT, **of, xpos=-falls),
      )
    q_BHTK, k_BHTK, v_BHTK = (jnp.swapaxes(x, 1, 2) for x in (q_BTHK, k_BTHK, v_BTHK))
    y_BHTK, state = self._attend(q_BHTK, k_BHTK, v_BHTK, pos_BT, state, prefix_BT)
    y_BTHK = jnp.swapaxes(y_BHTK, 1, 2)
    y_BTD = dense(y_BTHK, weight(self, "out_HKD", (self.heads, head_width, width)), contract=2)
    if self.bias:
      y_BTD += bias(self, "bias_D", (width,)).astype(y_BTD.dtype)
    return y_BTD, state

  def init_state(self, batch: int, width: int, capacity: int, dtype: Any = jnp.float32) -> dict:
    """An empty cache of `capacity` slots, or a ring of `window` slots where that is smaller."""
    kv_heads, head_width = self._heads(width)
    ring = cache.empty(batch, capacity, self.window)
    empty_BHSK = jnp.zeros((batch, kv_heads, cache.slots(ring), head_width), dtype)
    return dict(k_BHSK=empty_BHSK, v_BHSK=empty_BHSK, **ring)

  def noncausal(self) -> Mixer | None:
    """The same attention without the causal mask."""
    return self.as_a(AttentionBothWays, of=Attention)

  def prefixed(self) -> Mixer | None:
    """The same attention, whose causal mask is lifted inside a prefix."""
    return self.as_a(AttentionOverPrefix, of=Attention)

  def check(self, width: int) -> None:
    if self.positions not in POSITIONS:
      raise UserError(
        f"positions={self.positions!r}{nearest(self.positions, POSITIONS)}: choose from "
        f"{', '.join(POSITIONS)}"
      )
    check_rate(self.dropout)
    check_positive(self, "heads", "rope_base", "rope_scale")
    check_not_negative(self, "kv_heads", "head_width", "window", "softcap")
    head_width = self.head_width or divided(width, self.heads, "the width", "set head_width")
    if self.kv_heads and self.heads % self.kv_heads:
      raise UserError(f"kv_heads={self.kv_heads} does not divide heads={self.heads}")
    turns = self.positions in ("rope", "xpos")
    if turns and head_width % 2:
      raise UserError(f"head_width={head_width} must be even for {self.positions}")
    if not turns and self.rope_scale != 1:
      raise UserError(f"rope_scale={self.rope_scale}: positions={self.positions!r} have none")

  def _heads(self, width: int) -> tuple[int, int]:
    self.check(width)
    return self.kv_heads or self.heads, self.head_width or width // self.heads

  def _project(self, x_BTD: jax.Array, name: str, heads: int, head_width: int) -> jax.Array:
    y_BTHK = dense(x_BTD, weight(self, f"{name}_DHK", (x_BTD.shape[-1], heads, head_width)))
    if self.bias:
      y_BTHK += bias(self, f"{name}_bias_HK", (heads, head_width)).astype(y_BTHK.dtype)
    return axes.constrain(y_BTHK, "BTHK")

  def _kept(self, q_BHTK: jax.Array, keys: int) -> jax.Array | None:
    return kept(self, self.dropout, (*q_BHTK.shape[:3], keys), jnp.float32)

  def _attend(
    self,
    q_BHTK: jax.Array,
    k_BHTK: jax.Array,
    v_BHTK: jax.Array,
    pos_BT: jax.Array,
    state: dict | None,
    prefix_BT: jax.Array | None,
  ) -> tuple[jax.Array, dict | None]:
    slopes_H = _alibi_slopes(self.heads) if self.positions == "alibi" else None
    scores = Scores(None, self.softcap or None, slopes_H)
    mask = cache.mask(pos_BT, state, self.window, self.causal, prefix_BT)
    if state is None:
      note(self, "weights_BHTS", lambda: attention_weights(q_BHTK, k_BHTK, mask, scores))
      kept_BHTS = self._kept(q_BHTK, pos_BT.shape[1])
      return cache.attend_itself(q_BHTK, k_BHTK, v_BHTK, mask, scores, kept_BHTS), None
    k_BHSK, v_BHSK = state["k_BHSK"], state["v_BHSK"]
    kept_BHTS = self._kept(q_BHTK, k_BHSK.shape[2] + pos_BT.shape[1])
    y_BHTK = cache.attend(q_BHTK, k_BHTK, v_BHTK, k_BHSK, v_BHSK, mask, scores, kept_BHTS)
    return y_BHTK, cache.kept(state, dict(k_BHSK=k_BHTK, v_BHSK=v_BHTK), pos_BT, y_BHTK)


class AttentionBothWays(BothWays, Attention):
  """The same without the causal mask."""


class AttentionOverPrefix(Attention):
  """Attention in which the tokens of a prefix see each other on both sides (arXiv:1910.10683,
  section 3.2.1, figure 4).
  """

  reads_prefix: ClassVar[bool] = True


def _alibi_slopes(heads: int) -> jax.Array:
  """Slopes 2^(-8h/H), h = 1..H (Press 2022, section 3), a geometric sequence for any number of
  heads.
  """
  return 2.0 ** (-8.0 * jnp.arange(1, heads + 1) / heads)
