"""The linear-chain conditional random field over tags (Lafferty et al. 2001; as a layer over
features arXiv:1603.01360, section 2.2).

A path of tags scores what each token gives its tag (`emission_BTC`), what each tag gives the next
(`transition_CC`, rows are the tag before), and what its first and last tag give (`start_C`,
`end_C`). Tokens that `told_BT` leaves out (the pieces of a word after its first, padding) are
passed over: the path goes from one told token to the next. All scores are float32 at least.
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import wide

# What a forbidden transition scores: no path with one is ever best, and its probability is 0. Not
# -inf, of which a sum of logarithms has no gradient.
FORBIDDEN = -1e9


def crf_log_partition(emission_BTC, transition_CC, start_C, end_C, told_BT):
  """The logarithm of the summed exp(score) of all paths, [B]; 0 for a row without told tokens.

  The forward algorithm: alpha_BC sums the paths that end in each tag at the last told token.
  """
  emission_BTC = emission_BTC.astype(wide(emission_BTC.dtype))

  def step(alpha_BC, inputs):
    emission_BC, told_B, first_B = inputs
    moved_BC = jax.nn.logsumexp(alpha_BC[:, :, None] + transition_CC, axis=1)
    new_BC = jnp.where(first_B[:, None], start_C, moved_BC) + emission_BC
    return jnp.where(told_B[:, None], new_BC, alpha_BC), None

  alpha_BC, _ = lax.scan(step, jnp.zeros_like(emission_BTC[:, 0]), _by_time(emission_BTC, told_BT))
  return jnp.where(told_BT.any(1), jax.nn.logsumexp(alpha_BC + end_C, -1), 0)


def crf_score(emission_BTC, transition_CC, start_C, end_C, told_BT, tag_BT):
  """The score of the path `tag_BT` (int, read where told), [B]."""
  emission_BTC = emission_BTC.astype(wide(emission_BTC.dtype))
  time_BT = jnp.where(told_BT, jnp.arange(told_BT.shape[1]), -1)
  last_BT = lax.cummax(time_BT, axis=1)  # the last told token at or before each
  before_BT = jnp.pad(last_BT, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
  from_BT = jnp.take_along_axis(tag_BT, jnp.maximum(before_BT, 0), 1)
  end_B = jnp.take_along_axis(tag_BT, jnp.maximum(last_BT[:, -1:], 0), 1)[:, 0]
  given_BT = jnp.take_along_axis(emission_BTC, tag_BT[..., None], -1)[..., 0]
  moved_BT = jnp.where(before_BT < 0, start_C[tag_BT], transition_CC[from_BT, tag_BT])
  path_B = jnp.sum(jnp.where(told_BT, given_BT + moved_BT, 0), 1)
  return path_B + jnp.where(told_BT.any(1), end_C[end_B], 0)


def crf_nll(emission_BTC, transition_CC, start_C, end_C, told_BT, tag_BT):
  """-log p(path | row) in nats, [B]; 0 for a row without told tokens."""
  given = emission_BTC, transition_CC, start_C, end_C, told_BT
  return crf_log_partition(*given) - crf_score(*given, tag_BT)


def viterbi(emission_BTC, transition_CC, start_C, end_C, told_BT):
  """(the path of the highest score, int32 [B, T] and 0 where not told; its score, [B])."""
  emission_BTC = emission_BTC.astype(wide(emission_BTC.dtype))
  stay_C = jnp.arange(emission_BTC.shape[-1], dtype=jnp.int32)

  def forward(best_BC, inputs):
    emission_BC, told_B, first_B = inputs
    moves_BCC = best_BC[:, :, None] + transition_CC
    new_BC = jnp.where(first_B[:, None], start_C, moves_BCC.max(1)) + emission_BC
    from_BC = moves_BCC.argmax(1).astype(jnp.int32)
    # A token that is passed over keeps the tag before it.
    from_BC = jnp.where(told_B[:, None], from_BC, stay_C)
    return jnp.where(told_B[:, None], new_BC, best_BC), from_BC

  def backward(tag_B, from_BC):
    return jnp.take_along_axis(from_BC, tag_B[:, None], 1)[:, 0], tag_B

  inputs = _by_time(emission_BTC, told_BT)
  best_BC, from_TBC = lax.scan(forward, jnp.zeros_like(emission_BTC[:, 0]), inputs)
  last_B = (best_BC + end_C).argmax(-1).astype(jnp.int32)
  _, tag_TB = lax.scan(backward, last_B, from_TBC, reverse=True)
  return jnp.where(told_BT, tag_TB.T, 0), jnp.where(told_BT.any(1), (best_BC + end_C).max(-1), 0)


def _by_time(emission_BTC, told_BT):
  """Emissions, what is told, and the first told token of each row, time first for a scan."""
  first_BT = told_BT & (jnp.cumsum(told_BT, 1) == 1)
  return jnp.swapaxes(emission_BTC, 0, 1), told_BT.T, first_BT.T
