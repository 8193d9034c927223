"""Scores of classes: accuracy, macro F1, AUROC, and the table of what was taken for what.

Classes are whole numbers below `classes`. Each score is of the examples whose numbers it is given,
with repetitions, so that it can be sampled.
"""

import math
from collections.abc import Iterable

import numpy as np

from seqlab.scores.bootstrap import Score, mean_of


def confusion(wanted_N: np.ndarray, given_N: np.ndarray, classes: int) -> np.ndarray:
  """Counts [C, C]: rows are the classes that were wanted, columns those that were given."""
  pairs = np.asarray(wanted_N) * classes + np.asarray(given_N)
  return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def macro_f1(wanted_N: np.ndarray, given_N: np.ndarray, classes: int) -> Score:
  """The mean of the classes' F1, from 0 to 1, over those that are wanted or given at all."""
  wanted_N, given_N = np.asarray(wanted_N), np.asarray(given_N)

  def score(index: np.ndarray) -> float:
    counts = confusion(wanted_N[index], given_N[index], classes)
    return _mean_f1(counts.diagonal(), counts.sum(0) + counts.sum(1))

  return score


def auroc(positive_N: np.ndarray, score_N: np.ndarray) -> Score:
  """The probability that a positive example scores above a negative one, ties counting half (the
  rank statistic of Mann and Whitney 1947); NaN where there are none of the one or the other.
  """
  positive_N, score_N = np.asarray(positive_N, bool), np.asarray(score_N)
  order = np.argsort(score_N, kind="stable")
  first = np.flatnonzero(np.diff(score_N[order], prepend=np.nan) != 0)  # where each value begins

  def score(index: np.ndarray) -> float:
    times_N = np.bincount(index, minlength=len(score_N))[order]
    positives = np.add.reduceat(times_N * positive_N[order], first)
    negatives = np.add.reduceat(times_N * ~positive_N[order], first)
    pairs = positives.sum() * negatives.sum()
    below = np.cumsum(negatives) - negatives / 2
    return float(positives @ below / pairs) if pairs else math.nan

  return score


def macro_auroc(wanted_N: np.ndarray, probability_NC: np.ndarray) -> Score:
  """AUROC of the second of two classes; of more, the mean over each class against the rest, without
  those of which there are none or nothing but.
  """
  probability_NC = np.asarray(probability_NC)
  of = range(probability_NC.shape[1]) if probability_NC.shape[1] > 2 else (1,)
  each = [auroc(np.asarray(wanted_N) == c, probability_NC[:, c]) for c in of]

  return lambda index: _mean(one(index) for one in each)


def class_scores(
  wanted_N: np.ndarray, given_N: np.ndarray, probability_NC: np.ndarray
) -> dict[str, Score]:
  """Accuracy, macro F1 and AUROC of chosen examples, from 0 to 100."""
  classes = np.asarray(probability_NC).shape[1]
  f1, area = macro_f1(wanted_N, given_N, classes), macro_auroc(wanted_N, probability_NC)
  return {
    "accuracy": mean_of(100.0 * (np.asarray(wanted_N) == np.asarray(given_N))),
    "macro f1": lambda index: 100 * f1(index),
    "auroc": lambda index: 100 * area(index),
  }


def set_scores(
  wanted_NC: np.ndarray, given_NC: np.ndarray, probability_NC: np.ndarray
) -> dict[str, Score]:
  """Scores of sets of classes, bool [N, C], from 0 to 100: F1 of all decisions (micro) and the mean
  of the classes' (macro), the mean of their AUROC, and the share of sets that are right.
  """
  right_NC = wanted_NC & given_NC
  each = [auroc(wanted, share) for wanted, share in zip(wanted_NC.T, probability_NC.T, strict=True)]

  def micro(index: np.ndarray) -> float:
    both = wanted_NC[index].sum() + given_NC[index].sum()
    return float(200 * right_NC[index].sum() / both) if both else math.nan

  def macro(index: np.ndarray) -> float:
    both_C = wanted_NC[index].sum(0) + given_NC[index].sum(0)
    return 100 * _mean_f1(right_NC[index].sum(0), both_C)

  return {
    "micro f1": micro,
    "macro f1": macro,
    "auroc": lambda index: 100 * _mean(one(index) for one in each),
    "exact match": mean_of(100.0 * (wanted_NC == given_NC).all(1)),
  }


def _mean_f1(right_C: np.ndarray, both_C: np.ndarray) -> float:
  """The mean F1 of the classes that are wanted or given: `both_C` times in all; NaN without any."""
  there = both_C > 0
  return _mean(2 * right_C[there] / both_C[there])


def _mean(values: Iterable[float]) -> float:
  """The mean of those that are defined; NaN where none is."""
  found = [value for value in values if math.isfinite(value)]
  return float(np.mean(found)) if found else math.nan
