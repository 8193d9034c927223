"""Scores of classes equal scikit-learn's, with ties and absent classes; diversity by hand."""

import math

import numpy as np
import pytest
import scipy.stats
from seqeval import metrics as seqeval
from sklearn import metrics as sklearn

from seqlab.scores.bootstrap import interval
from seqlab.scores.classification import auroc, confusion, macro_auroc, macro_f1, set_scores
from seqlab.scores.diversity import distinct, repetition
from seqlab.scores.regression import pearson, regression_scores, spearman
from seqlab.scores.spans import span_counts


def drawn(seed, classes, size=60, levels=5):
  """Classes, some of them perhaps absent, and scores of few levels, so that many are tied."""
  random = np.random.default_rng(seed)
  wanted, given = random.integers(0, classes, (2, size))
  wanted[wanted == classes - 1] = 0 if seed % 2 else classes - 1
  score_NC = random.integers(0, levels, (size, classes)) / levels
  return random, wanted, given, score_NC


@pytest.mark.parametrize("seed", range(8))
def test_scores_of_samples_are_those_of_scikit_learn(seed):
  classes = (2, 3, 7)[seed % 3]
  random, wanted, given, score_NC = drawn(seed, classes)
  every = np.arange(len(wanted))
  found = sklearn.confusion_matrix(wanted, given, labels=range(classes))
  np.testing.assert_array_equal(confusion(wanted, given, classes), found)
  for index in (every, random.integers(0, 60, 60), random.integers(0, 60, 5)):
    f1 = sklearn.f1_score(wanted[index], given[index], average="macro")
    assert macro_f1(wanted, given, classes)(index) == pytest.approx(f1)
    aurocs = []
    for c in range(classes) if classes > 2 else (1,):
      positive = wanted == c
      ours = auroc(positive, score_NC[:, c])(index)
      if len(set(positive[index])) == 2:
        aurocs.append(sklearn.roc_auc_score(positive[index], score_NC[index, c]))
        assert ours == pytest.approx(aurocs[-1])
      else:
        assert math.isnan(ours)
    macro = macro_auroc(wanted, score_NC)(index)
    assert macro == pytest.approx(np.mean(aurocs)) if aurocs else math.isnan(macro)


def test_an_interval_leaves_out_samples_without_a_score():
  found = interval(auroc([True, False, False], [0.9, 0.1, 0.5]), 3)
  assert found == (1, 1, 1)
  never = interval(auroc([True, True], [0.9, 0.1]), 2)
  assert all(map(math.isnan, never))


def test_spans_by_type_and_by_sentence_are_those_of_seqeval():
  random, kinds = np.random.default_rng(0), ["O", "B-人", "I-人", "B-LOC", "I-LOC"]
  given, wanted = ([list(random.choice(kinds, 6)) for _ in range(40)] for _ in range(2))
  counts = span_counts(given, wanted)
  report = seqeval.classification_report(wanted, given, output_dict=True)
  assert counts.types == ("LOC", "人")
  for kind in counts.types:
    for name, value in counts.scores(kind=kind)._asdict().items():
      assert value == pytest.approx(report[kind][name.replace("f1", "f1-score")])
  index = random.integers(0, 40, 40)
  sample = [[side[i] for i in index] for side in (wanted, given)]
  assert counts.scores(index).f1 == pytest.approx(seqeval.f1_score(*sample))


def test_diversity_by_hand():
  texts = ["a b a b", "A c", "猫猫狗"]
  assert distinct(texts, 1) == pytest.approx(5 / 9)  # a b c 猫 狗
  assert distinct(texts, 2) == pytest.approx(5 / 6)  # ab ba ac 猫猫 猫狗, of which ab comes twice
  assert [repetition(text, 1) for text in texts] == pytest.approx([1 / 2, 0, 1 / 3])
  assert [repetition(text, 2) for text in texts] == pytest.approx([1 / 3, 0, 0])
  assert distinct(["a"], 2) == repetition("a", 2) == distinct([], 1) == 0


@pytest.mark.parametrize("seed", range(4))
def test_scores_of_sets_are_those_of_scikit_learn(seed):
  random = np.random.default_rng(seed)
  wanted_NC, given_NC = random.random((2, 50, 4)) < (0.5, 0.2, 0.05, 0)
  share_NC = random.integers(0, 5, (50, 4)) / 5
  scores = set_scores(wanted_NC, given_NC, share_NC)
  for index in (np.arange(50), random.integers(0, 50, 50)):
    wanted, given = wanted_NC[index], given_NC[index]
    there = wanted.any(0) | given.any(0)
    each = sklearn.f1_score(wanted, given, average=None, zero_division=0)[there]
    micro = sklearn.f1_score(wanted, given, average="micro")
    assert scores["micro f1"](index) == pytest.approx(100 * micro)
    assert scores["macro f1"](index) == pytest.approx(100 * each.mean())
    ranked = [c for c in range(4) if 0 < wanted[:, c].sum() < 50]
    area = np.mean([sklearn.roc_auc_score(wanted[:, c], share_NC[index, c]) for c in ranked])
    assert scores["auroc"](index) == pytest.approx(100 * area)
    accuracy = sklearn.accuracy_score(wanted, given)
    assert scores["exact match"](index) == pytest.approx(100 * accuracy)


def test_correlations_are_those_of_scipy():
  random = np.random.default_rng(0)
  wanted = random.integers(0, 6, 40) / 2.0
  given = wanted + random.integers(-2, 3, 40)
  for index in (np.arange(40), random.integers(0, 40, 40)):
    one, other = wanted[index], given[index]
    linear, ranks = scipy.stats.pearsonr(one, other), scipy.stats.spearmanr(one, other)
    assert pearson(wanted, given)(index) == pytest.approx(linear.statistic)
    assert spearman(wanted, given)(index) == pytest.approx(ranks.statistic)
    error = sklearn.mean_squared_error(one, other)
    assert regression_scores(wanted, given)["mean squared error"](index) == pytest.approx(error)
  assert math.isnan(pearson([1, 1], [1, 2])(np.arange(2)))
