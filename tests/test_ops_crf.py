"""The CRF against the enumeration of all paths: values, gradients, the best path."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab.ops.crf import FORBIDDEN, crf_log_partition, crf_nll, crf_score, viterbi

CLASSES = 3
TOLD_BT = np.array(
  [
    [1, 1, 1, 1, 1],
    [0, 1, 0, 1, 1],  # pieces of words between the words
    [0, 1, 1, 0, 0],  # padding behind
    [0, 0, 1, 0, 0],
    [0, 0, 0, 0, 0],
  ],
  bool,
)


def scores(seed=0, scale=2.0):
  keys = jax.random.split(jax.random.key(seed), 4)
  shapes = (*TOLD_BT.shape, CLASSES), (CLASSES, CLASSES), (CLASSES,), (CLASSES,)
  return tuple(
    scale * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)
  )


def by_hand(paths, emission_TC, transition_CC, start_C, end_C):
  """The scores of paths [N, T] over told tokens alone, as the paper sums them."""
  total_N = start_C[paths[:, 0]] + end_C[paths[:, -1]]
  total_N += sum(emission_TC[t, tag_N] for t, tag_N in enumerate(paths.T))
  return total_N + sum(transition_CC[a, b] for a, b in itertools.pairwise(paths.T))


def every_path(row, emission_BTC, *chain):
  """All paths of one row [N, T] and their scores [N]."""
  emission_TC = emission_BTC[row][TOLD_BT[row]]
  paths = np.array(list(itertools.product(range(CLASSES), repeat=len(emission_TC))), int)
  return paths, by_hand(paths, emission_TC, *chain) if paths.size else jnp.zeros(1)


@jax.jit
def enumerated(*given):
  rows = [every_path(row, *given)[1] for row in range(len(TOLD_BT))]
  return jnp.stack([jax.nn.logsumexp(scores_N) for scores_N in rows])


def test_the_partition_is_the_sum_over_all_paths_with_its_gradients():
  given, weight_B = scores(), jnp.arange(1.0, 6)
  np.testing.assert_allclose(crf_log_partition(*given, TOLD_BT), enumerated(*given), rtol=1e-5)

  def ours(*given):
    return crf_log_partition(*given, TOLD_BT) @ weight_B

  def theirs(*given):
    return enumerated(*given) @ weight_B

  found = jax.grad(ours, argnums=(0, 1, 2, 3))(*given)
  wanted = jax.grad(theirs, argnums=(0, 1, 2, 3))(*given)
  for one, other in zip(found, wanted, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_score_of_a_path_with_its_gradients():
  given, random = scores(1), np.random.default_rng(0)
  tag_BT = random.integers(0, CLASSES, TOLD_BT.shape)

  def ours(*given):
    return crf_score(*given, TOLD_BT, jnp.asarray(tag_BT))

  def theirs(emission_BTC, *chain):
    found = []
    for row, told_T in enumerate(TOLD_BT):
      path = tag_BT[row][told_T][None]
      found.append(by_hand(path, emission_BTC[row][told_T], *chain)[0] if path.size else 0.0)
    return jnp.stack(found)

  np.testing.assert_allclose(ours(*given), theirs(*given), rtol=1e-5)
  grads = [
    jax.grad(lambda *g, f=f: f(*g).sum(), argnums=(0, 1, 2, 3))(*given) for f in (ours, theirs)
  ]
  for one, other in zip(*grads, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(seed):
  given = scores(seed)
  tag_BT, best_B = jax.jit(viterbi)(*given, TOLD_BT)
  for row, told_T in enumerate(TOLD_BT):
    paths, scores_N = every_path(row, *given)
    np.testing.assert_array_equal(np.asarray(tag_BT[row])[told_T], paths[scores_N.argmax()])
    assert not np.asarray(tag_BT[row])[~told_T].any()
    assert float(best_B[row]) == pytest.approx(float(scores_N.max()), rel=1e-5)


def test_probabilities_of_all_paths_sum_to_1():
  given = scores(2)
  nll = jax.jit(crf_nll)
  paths = itertools.product(range(CLASSES), repeat=5)
  each = [nll(*given, TOLD_BT, jnp.broadcast_to(jnp.asarray(p), TOLD_BT.shape))[0] for p in paths]
  assert float(jnp.exp(-jnp.stack(each)).sum()) == pytest.approx(1, rel=1e-4)


def test_forbidden_transitions_are_never_taken_and_leave_gradients_finite():
  emission_BTC, transition_CC, start_C, end_C = scores(3, scale=30.0)
  forbidden_CC = jnp.zeros((CLASSES, CLASSES)).at[0, 1].set(FORBIDDEN).at[2, 1].set(FORBIDDEN)
  start_C = start_C.at[1].set(FORBIDDEN)
  given = emission_BTC, transition_CC + forbidden_CC, start_C, end_C
  tag_BT, _ = viterbi(*given, TOLD_BT)
  assert not (np.asarray(tag_BT) == 1).any(), "tag 1 can be reached from nowhere"
  np.testing.assert_allclose(crf_log_partition(*given, TOLD_BT), enumerated(*given), rtol=1e-5)
  grads = jax.grad(lambda *g: crf_log_partition(*g, TOLD_BT).sum(), argnums=(0, 1, 2, 3))(*given)
  assert all(bool(jnp.isfinite(g).all()) for g in grads)
  assert not np.asarray(grads[0])[:, :, 1].any()


def test_bfloat16_emissions_are_summed_in_float32():
  emission_BTC, *chain = scores()
  found = crf_log_partition(emission_BTC.astype(jnp.bfloat16), *chain, TOLD_BT)
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, crf_log_partition(emission_BTC, *chain, TOLD_BT), rtol=0.02)
