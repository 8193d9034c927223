"""Attention over another sequence, which a decoder reads beside its own (arXiv:1706.03762, section
3.2.3).
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from seqlab import axes
from seqlab.nn.layers import kept, note, weight
from seqlab.ops.additive_attention import additive_attention, additive_weights
from seqlab.ops.attention import attention
from seqlab.ops.attention_weights import Mask, attention_weights
from seqlab.ops.dense import dense


class Memory(NamedTuple):
  """Encoded sequences, features `x_BSD`. A token of `segment_BT` sees those of the same
  `segment_BS`.
  """

  x_BSD: jax.Array
  segment_BS: jax.Array
  segment_BT: jax.Array


class CrossAttention(nn.Module):
  """Queries from x, keys and values from the memory.

  The first call of a decoding gets the memory and gives its keys and values as the state; later
  calls get that state and no memory, and read segment 0. dropout: of the weights.
  """

  heads: int
  dropout: float = 0.0

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, memory: Memory | None, state: dict | None
  ) -> tuple[jax.Array, dict]:
    width = x_BTD.shape[-1]
    shape = (width, self.heads, width // self.heads)
    q_BTHK = axes.constrain(dense(x_BTD, weight(self, "q_DHK", shape)), "BTHK")
    segment_BT = jnp.zeros(x_BTD.shape[:2], jnp.int32)
    if memory is not None:
      segment_BT = memory.segment_BT
      k_BSHK = axes.constrain(dense(memory.x_BSD, weight(self, "k_DHK", shape)), "BSHK")
      v_BSHK = axes.constrain(dense(memory.x_BSD, weight(self, "v_DHK", shape)), "BSHK")
      state = dict(
        k_BHSK=jnp.swapaxes(k_BSHK, 1, 2),
        v_BHSK=jnp.swapaxes(v_BSHK, 1, 2),
        segment_BS=memory.segment_BS,
      )
    assert state is not None
    q_BHTK, k_BHSK = jnp.swapaxes(q_BTHK, 1, 2), state["k_BHSK"]
    time_T, time_S = (np.zeros(x.shape[2], np.int32) for x in (q_BHTK, k_BHSK))
    mask = Mask(segment_BT, state["segment_BS"], time_T, time_S, causal=False)
    kept_BHTS = kept(self, self.dropout, (*q_BHTK.shape[:3], k_BHSK.shape[2]), jnp.float32)
    y_BHTK = attention(q_BHTK, k_BHSK, state["v_BHSK"], mask, kept_BHTS=kept_BHTS)
    note(self, "weights_BHTS", lambda: attention_weights(q_BHTK, k_BHSK, mask))
    out_HKD = weight(self, "out_HKD", (*shape[1:], width))
    return dense(jnp.swapaxes(y_BHTK, 1, 2), out_HKD, contract=2), state


class AdditiveAttention(nn.Module):
  """Scores from a layer with tanh (Bahdanau 2014, arXiv:1409.0473, appendix A.1.2). The query is
  what the block's mixer wrote, and the next block reads what was found, as in arXiv:1609.08144
  (figure 1), so that all times are computed at once.

  State and memory as in `CrossAttention`.
  """

  @nn.compact
  def __call__(
    self, x_BTD: jax.Array, memory: Memory | None, state: dict | None
  ) -> tuple[jax.Array, dict]:
    shape = (width := x_BTD.shape[-1], width)
    q_BTF = axes.constrain(dense(x_BTD, weight(self, "q_DF", shape)), "BTF")
    segment_BT = jnp.zeros(x_BTD.shape[:2], jnp.int32)
    if memory is not None:
      segment_BT = memory.segment_BT
      k_BSF = axes.constrain(dense(memory.x_BSD, weight(self, "k_DF", shape)), "BSF")
      v_BSF = axes.constrain(dense(memory.x_BSD, weight(self, "v_DF", shape)), "BSF")
      state = dict(k_BSF=k_BSF, v_BSF=v_BSF, segment_BS=memory.segment_BS)
    assert state is not None
    score_F = weight(self, "score_F", (width,), std=width**-0.5)
    seen_BTS = segment_BT[:, :, None] == state["segment_BS"][:, None, :]
    k_BSF = state["k_BSF"]
    y_BTF = additive_attention(q_BTF, k_BSF, state["v_BSF"], score_F, seen_BTS)
    weights_BTS = functools.partial(additive_weights, q_BTF, k_BSF, score_F, seen_BTS)
    note(self, "weights_BHTS", lambda: weights_BTS()[:, None])
    return dense(y_BTF, weight(self, "out_FD", shape)), state
