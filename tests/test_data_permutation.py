"""The permutation is a bijection of any range, and nothing ties two seeds or epochs together."""

import numpy as np
import pytest

from seqlab.data.permutation import permute


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097, 100_003])
def test_bijective(n):
  for names in ((0, 0), (1, 0), (0, 1)):
    assert np.array_equal(np.sort(permute(np.arange(n), n, *names)), np.arange(n))


@pytest.mark.parametrize("n", [10**7, 10**9, 2**33 + 1])
def test_distinct_and_in_range_where_it_cannot_be_listed(n):
  index = np.unique(np.random.default_rng(0).integers(0, n, 200_000))
  out = permute(index, n, 5, 0)
  assert len(np.unique(out)) == len(index)
  assert out.min() >= 0 and out.max() < n
  deciles = np.bincount(out * 10 // n, minlength=10) / len(out)
  assert np.abs(deciles - 0.1).max() < 0.005


def test_an_index_is_sent_to_the_same_place_alone_and_among_others():
  whole = permute(np.arange(1000), 1000, 7, 3)
  assert all(permute(np.array([i]), 1000, 7, 3)[0] == whole[i] for i in range(0, 1000, 37))


def test_seeds_and_epochs_are_unrelated():
  """Epoch e of seed s must not be epoch e - 1 of seed s + 1, and orders must not correlate."""
  n = 4000
  orders = {(s, e): permute(np.arange(n), n, s, e) for s in range(4) for e in range(4)}
  names = list(orders)
  for i, a in enumerate(names):
    assert abs(np.corrcoef(np.arange(n), orders[a])[0, 1]) < 0.08
    for b in names[i + 1 :]:
      assert (orders[a] == orders[b]).sum() < 10
      assert abs(np.corrcoef(orders[a], orders[b])[0, 1]) < 0.08


def test_small_ranges_reach_every_order():
  orders = {tuple(permute(np.arange(4), 4, seed)) for seed in range(600)}
  assert len(orders) == 24
