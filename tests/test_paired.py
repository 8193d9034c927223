"""Systems are told apart by tests that hold what they promise."""

import math

import numpy as np
import pytest

from seqlab.scores.paired import Paired, detectable, holm, pairs_of, ranks


def test_a_pair_is_student_s_paired_test():
  from scipy import stats

  one, other = [1.0, 2.0, 3.5, 2.2], [1.5, 2.1, 4.9, 2.1]
  found = pairs_of({"a": one, "b": other})["a", "b"]
  wanted = stats.ttest_rel(one, other)
  assert found.p == found.holm == pytest.approx(wanted.pvalue)
  interval = wanted.confidence_interval()
  assert found.difference - found.half == pytest.approx(interval.low)
  assert found.difference + found.half == pytest.approx(interval.high)


def test_holm_is_that_of_his_paper():
  assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
  assert holm([0.5, 0.9]) == [1.0, 1.0]
  corrected = holm([0.01, math.nan])
  assert corrected[0] == 0.02 and math.isnan(corrected[1])


def test_tests_made_together_are_seldom_wrong():
  """Of systems that do not differ at all, in one comparison of twenty at most is any pair told
  apart.
  """
  draw = np.random.default_rng(0)
  wrong = 0
  for _ in range(400):
    values = {name: draw.normal(size=4).tolist() for name in "abcd"}
    wrong += any(one.apart for one in pairs_of(values).values())
  assert wrong / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("n", "wanted"), [(3, 3.264), (5, 1.682), (10, 0.996), (30, 0.529)])
def test_what_is_detectable_is_found_four_times_in_five(n, wanted):
  assert detectable(n) == pytest.approx(wanted, abs=2e-3)  # as G*Power has it
  drawn = np.random.default_rng(0).normal(detectable(n), 1.0, (2000, n))
  found = [_paired_p(row) < 0.05 for row in drawn]
  assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def _paired_p(row):
  return pairs_of({"a": row.tolist(), "b": [0.0] * len(row)})["a", "b"].p


def test_what_is_not_told_apart_has_no_rank_of_its_own():
  nan = math.nan
  values = {"a": [1.0, 1.1], "b": [1.2, 1.0], "c": [3.0, 3.1]}
  apart, not_apart = Paired(-2.0, 0.1, 0.001, 0.003, 0.2), Paired(-0.05, 1.0, 0.6, 0.6, 2.0)
  pairs = {("a", "b"): not_apart, ("a", "c"): apart, ("b", "c"): apart}
  assert ranks(values, pairs, lower=True) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
  upside = ranks(values, {k: p._replace(difference=p.difference) for k, p in pairs.items()}, False)
  assert list(upside) == ["c", "b", "a"] and upside["c"] == (1, 1)
  one_seed = pairs_of({"a": [1.0], "b": [2.0]})
  assert not one_seed["a", "b"].apart and math.isnan(one_seed["a", "b"].p)
  assert ranks({"a": [1.0], "b": [2.0]}, one_seed, True) == {"a": (1, 2), "b": (1, 2)}
  same = pairs_of({"a": [1.0, 2.0], "b": [1.0, 2.0]})["a", "b"]
  assert same.p == 1 and not same.apart
  tied = pairs_of({"a": [0.31, 0.42, 0.53], "b": [0.3, 0.41, 0.52]})["a", "b"]
  assert tied.p == 0.25 and not tied.apart, "three equal differences are three signs"
  assert Paired(1.0, nan, nan, nan, nan).apart is False
