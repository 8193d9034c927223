"""How close numbers come: squared error, and the correlations of Pearson and Spearman."""

import math

import numpy as np

from seqlab.scores.bootstrap import Score, mean_of


def pearson(wanted_N: np.ndarray, given_N: np.ndarray) -> Score:
  """The linear correlation of chosen examples; NaN where one side does not vary."""
  wanted_N, given_N = np.asarray(wanted_N, float), np.asarray(given_N, float)
  return lambda index: _correlation(wanted_N[index], given_N[index])


def spearman(wanted_N: np.ndarray, given_N: np.ndarray) -> Score:
  """The correlation of ranks among the chosen examples, equal values sharing their mean rank."""
  wanted_N, given_N = np.asarray(wanted_N, float), np.asarray(given_N, float)
  return lambda index: _correlation(_ranks(wanted_N[index]), _ranks(given_N[index]))


def regression_scores(wanted_N: np.ndarray, given_N: np.ndarray) -> dict[str, Score]:
  """Squared error in the data's own unit, correlations from -100 to 100."""
  error_N = np.square(np.asarray(wanted_N, float) - np.asarray(given_N, float))
  of = dict(pearson=pearson(wanted_N, given_N), spearman=spearman(wanted_N, given_N))
  return {
    "mean squared error": mean_of(error_N),
    "pearson": lambda index: 100 * of["pearson"](index),
    "spearman": lambda index: 100 * of["spearman"](index),
  }


def _correlation(x_N: np.ndarray, y_N: np.ndarray) -> float:
  x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
  scale = math.sqrt(float(x_N @ x_N) * float(y_N @ y_N))
  return float(x_N @ y_N) / scale if scale else math.nan


def _ranks(x_N: np.ndarray) -> np.ndarray:
  _, place_N, count = np.unique(x_N, return_inverse=True, return_counts=True)
  return (np.cumsum(count) - (count - 1) / 2)[place_N]
