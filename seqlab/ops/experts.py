"""Mixture of experts: each row goes to a few of E networks of one shape, and none is dropped.

`expert_mixture_naive` runs every expert on every row. `expert_mixture` brings together the rows of
each expert and multiplies group by group: by `lax.ragged_dot`, or on a CPU, whose ragged product
runs every expert on every row too, in blocks of rows that have one expert each.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide, widened
from seqlab.ops.dense import product

BLOCK = 64  # rows of a block on a CPU, at most: more leave more of them empty


def routed(logits_NE, active: int):
  """The `active` experts of each row that its scores put first, and the share of each.

  logits_NE: [N, E]. Returns shares [N, A] and experts [N, A]. Shares are probabilities over all
  experts for one active expert (arXiv:2101.03961, eq. 2), whose choice has no other gradient, and
  over the chosen ones for several (arXiv:2401.04088, eq. 1).
  """
  chosen_NA, expert_NA = lax.top_k(logits_NE, active)
  over = logits_NE if active == 1 else chosen_NA
  return jnp.exp(chosen_NA - jax.nn.logsumexp(over, -1, keepdims=True)), expert_NA


def routing_losses(logits_NE, expert_NA):
  """(balance, z): E times the sum over experts of the share of choices and the mean probability,
  1 where all are alike (arXiv:2101.03961, eq. 4); the mean of log(sum(exp))^2 (arXiv:2202.08906,
  eq. 5).
  """
  experts = logits_NE.shape[-1]
  share_E = jnp.mean(jax.nn.one_hot(expert_NA, experts, dtype=logits_NE.dtype), (0, 1))
  probability_E = jnp.mean(jax.nn.softmax(logits_NE), 0)
  balance = experts * jnp.sum(lax.stop_gradient(share_E) * probability_E)
  return balance, jnp.mean(jax.nn.logsumexp(logits_NE, -1) ** 2)


@jax.custom_vjp
def with_loss(x, loss):
  """x; what comes back to it adds the gradient of the scalar `loss` to that of the objective, as if
  the two had been summed. A layer deep inside a network has no other way to say what it wants.
  """
  return x


with_loss.defvjp(lambda x, loss: (x, loss), lambda loss, dx: (dx, jnp.ones_like(loss)))


def expert_mixture_naive(x_ND, share_NA, expert_NA, gate_EDF, in_EDF, out_EFD, activation):
  """Sum over a row's experts of its share times `out(activation(x @ gate) * (x @ in))`."""
  weights = [w.astype(x_ND.dtype) for w in (gate_EDF, in_EDF, out_EFD)]
  gate_NEF, x_NEF = (jnp.einsum("nd,edf->nef", x_ND, w) for w in weights[:2])
  y_NED = jnp.einsum("nef,efd->ned", activation(gate_NEF) * x_NEF, weights[2])
  chosen_NAE = jax.nn.one_hot(expert_NA, len(in_EDF), dtype=x_ND.dtype)
  return jnp.einsum("nae,na,ned->nd", chosen_NAE, share_NA.astype(x_ND.dtype), y_NED)


def expert_mixture(x_ND, share_NA, expert_NA, gate_EDF, in_EDF, out_EFD, activation):
  """As `expert_mixture_naive`, each row through its own experts alone.

  x_ND: [N, D]; share_NA, expert_NA: [N, A]; gate_EDF, in_EDF: [E, D, F]; out_EFD: [E, F, D].
  """
  groups = _grouped(expert_NA, len(in_EDF), _block(expert_NA.size, len(in_EDF)))
  x_SD = _sent(x_ND, groups)
  gate_SF, x_SF = (_product(x_SD, w, groups) for w in (gate_EDF, in_EDF))
  y_NAD = _returned(_product(activation(gate_SF) * x_SF, out_EFD, groups), groups)
  return jnp.einsum("nad,na->nd", y_NAD, share_NA.astype(y_NAD.dtype))


class Groups(NamedTuple):
  """Where rows go: slots S, in the order of their experts, some of them empty.

  slot_NA: the slot of each choice. choice_S: the choice (of N * A) in each slot, N * A where it is
  empty. size_E: slots of each expert. expert_K: of each block of slots; None where there are none.
  """

  slot_NA: Any
  choice_S: Any
  size_E: Any
  expert_K: Any


def _block(choices: int, experts: int) -> int:
  """Rows of a block: about half of what an expert gets, 0 for ragged groups."""
  if backend() != "cpu":
    return 0
  return min(max(choices // (2 * experts), 1), BLOCK)


def _grouped(expert_NA, experts: int, block: int) -> Groups:
  choices = expert_NA.size
  chosen_ME = jax.nn.one_hot(expert_NA.ravel(), experts, dtype=jnp.int32)
  before_ME = jnp.cumsum(chosen_ME, 0) - chosen_ME  # choices of the same expert that come first
  size_E = jnp.sum(chosen_ME, 0)
  blocks = -(-choices // block) + experts if block else 0  # each expert may leave one unfilled
  if block:
    size_E = -(-size_E // block) * block
  end_E = jnp.cumsum(size_E)
  slot_M = jnp.sum(chosen_ME * (before_ME + end_E - size_E), 1)
  slots = blocks * block or choices
  choice_S = jnp.full(slots, choices).at[slot_M].set(jnp.arange(choices), unique_indices=True)
  first_K = jnp.arange(blocks) * block
  expert_K = jnp.minimum(jnp.sum(first_K[:, None] >= end_E, 1), experts - 1) if block else None
  return Groups(slot_M.reshape(expert_NA.shape), choice_S, size_E, expert_K)


@jax.custom_vjp
def _sent(x_ND, groups: Groups):
  """The rows in their slots, [S, D]; zeros in empty ones."""
  active = groups.slot_NA.shape[1]
  return x_ND.at[groups.choice_S // active].get(mode="fill", fill_value=0)


# A scatter is slow on every device: each way back is the other's gather.
_sent.defvjp(
  lambda x_ND, groups: (_sent(x_ND, groups), groups),
  lambda groups, dx_SD: (jnp.sum(dx_SD[groups.slot_NA], 1), None),
)


@jax.custom_vjp
def _returned(y_SD, groups: Groups):
  """What is in the slot of each choice, [N, A, D]."""
  return y_SD[groups.slot_NA]


def _returned_backward(groups: Groups, dy_NAD):
  dy_MD = dy_NAD.reshape(-1, dy_NAD.shape[-1])
  return dy_MD.at[groups.choice_S].get(mode="fill", fill_value=0), None


_returned.defvjp(lambda y_SD, groups: (_returned(y_SD, groups), groups), _returned_backward)


def _product(x_SD, w_EDF, groups: Groups):
  """Each slot's row times the matrix of its expert, [S, F] in x's dtype."""
  if groups.expert_K is not None:
    return _blocks(x_SD, w_EDF, groups.expert_K)
  w_EDF = w_EDF.astype(x_SD.dtype)
  y_SF = lax.ragged_dot(x_SD, w_EDF, groups.size_E, preferred_element_type=wide(x_SD.dtype))
  return y_SF.astype(x_SD.dtype)


@jax.custom_vjp
def _blocks(x_SD, w_EDF, expert_K):
  def turn(_, block):
    x_bD, expert = block
    return None, product(x_bD, w_EDF[expert], (1,), (0,)).astype(x_bD.dtype)

  _, y_KbF = lax.scan(turn, None, (_cut(x_SD, expert_K), expert_K))
  return y_KbF.reshape(len(x_SD), -1)


def _blocks_backward(saved, dy_SF):
  x_SD, w_EDF, expert_K = saved

  def turn(dw_EDF, block):
    x_bD, dy_bF, expert = block
    dx_bD = product(dy_bF, w_EDF[expert], (1,), (1,)).astype(x_bD.dtype)
    dw_DF = dw_EDF[expert] + product(x_bD, dy_bF, (0,), (0,))
    return lax.dynamic_update_index_in_dim(dw_EDF, dw_DF, expert, 0), dx_bD

  xs = _cut(x_SD, expert_K), _cut(dy_SF, expert_K), expert_K
  dw_EDF, dx_KbD = lax.scan(turn, widened(jnp.zeros_like(w_EDF)), xs)
  return dx_KbD.reshape(x_SD.shape), dw_EDF.astype(w_EDF.dtype), None


_blocks.defvjp(
  lambda x_SD, w_EDF, expert_K: (_blocks(x_SD, w_EDF, expert_K), (x_SD, w_EDF, expert_K)),
  _blocks_backward,
)


def _cut(x_SD, expert_K):
  return x_SD.reshape(len(expert_K), -1, x_SD.shape[-1])
