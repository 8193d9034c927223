"""Laws of scaling, fitted to runs: loss = floor + sum of scale * x**-exponent.

With x the parameters and the tokens this is the third approach of Hoffmann et al. 2022
(arXiv:2203.15556, section 3.3); with x the training FLOPs the power law of Kaplan et al. 2020 above
a floor, fitted to the runs that no cheaper one beats. For given exponents the rest is linear and
not negative, so exponents alone are searched for. Residuals are relative, since losses of small
models would else decide. Intervals are of the bootstrap over seeds: of each point the seeds are
drawn anew, then the law is fitted anew.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

EXPONENTS = 0.02, 2.0  # between which they are searched for
DECADE = 10.0  # that what is varied must span, before anything is said beyond it
ALIKE = 1.02  # FLOPs within this factor are those of one budget


@dataclasses.dataclass(frozen=True)
class Law:
  """A fit. scales and exponents are of each x; error is the root of the mean squared relative
  residual.
  """

  floor: float
  scales: tuple[float, ...]
  exponents: tuple[float, ...]
  error: float

  def at(self, *xs: float) -> float:
    """The loss that it says."""
    terms = zip(self.scales, xs, self.exponents, strict=True)
    return self.floor + sum(scale * x**-exponent for scale, x, exponent in terms)

  @property
  def determined(self) -> bool:
    """Whether every exponent lies inside of what was searched, and does something."""
    low, high = EXPONENTS
    inside = all(1.05 * low < exponent < 0.95 * high for exponent in self.exponents)
    return inside and all(scale > 0 for scale in self.scales)


def fitted(x_PX: np.ndarray, loss_P: np.ndarray, start: Sequence[float] = ()) -> Law:
  """The law of points. start: exponents from which they are searched; () looks everywhere first.

  Raises:
    ValueError: fewer points than the law has numbers.
  """
  from scipy.optimize import minimize, nnls  # of jax's own needs

  points, terms = x_PX.shape
  if points < 2 * terms + 1:
    raise ValueError(f"{points} points do not determine {2 * terms + 1} numbers")
  middle_X = np.exp(np.log(x_PX).mean(0))  # terms are near 1 there, whatever the units

  def solved(exponents: np.ndarray) -> tuple[np.ndarray, float]:
    columns = np.concatenate([np.ones((points, 1)), (x_PX / middle_X) ** -exponents], 1)
    found, residual = nnls(columns / loss_P[:, None], np.ones(points))
    return found, residual

  def cost(logs: np.ndarray) -> float:
    return solved(np.exp(np.clip(logs, *np.log(EXPONENTS))))[1]

  if not len(start):
    tried = np.geomspace(*EXPONENTS, 12)
    start = min(itertools.product(tried, repeat=terms), key=lambda e: solved(np.array(e))[1])
  options = dict(xatol=1e-5, fatol=1e-12, maxiter=400)
  best = minimize(cost, np.log(start), method="Nelder-Mead", options=options)
  exponents = np.exp(np.clip(best.x, *np.log(EXPONENTS)))
  found, residual = solved(exponents)
  found[1:] *= found[1:] > 1e-6 * found.sum()  # less than that is what rounding left
  scales = found[1:] * middle_X**exponents
  error = residual / np.sqrt(points)
  return Law(float(found[0]), tuple(map(float, scales)), tuple(map(float, exponents)), float(error))


def resampled(
  x_PX: np.ndarray, seeds: Sequence[Sequence[float]], samples: int = 200, seed: int = 0
) -> tuple[Law, list[Law]]:
  """(the law of the means over seeds, those of samples in which each point's seeds are drawn
  anew). seeds: the losses of each point.
  """
  law = fitted(x_PX, np.array([np.mean(each) for each in seeds]))
  draw = np.random.default_rng(seed)
  found = []
  for _ in range(samples):
    found.append(fitted(x_PX, _redrawn(seeds, draw), start=law.exponents))
  return law, found


def _redrawn(seeds: Sequence[Sequence[float]], draw: np.random.Generator) -> np.ndarray:
  """Of each point the mean of seeds that are drawn anew from its own, [P]."""
  return np.array([np.mean(draw.choice(each, len(each))) for each in seeds])


def middle(values: Sequence[float]) -> tuple[float, float]:
  """The middle 95% of what samples give."""
  low, high = np.percentile(values, [2.5, 97.5])
  return float(low), float(high)


def beyond(x_PX: np.ndarray, *xs: float) -> str:
  """Why nothing is said of a place, '' where something may be: each x must have been varied over a
  decade, and none may lie further outside than it was varied.
  """
  for number, x in enumerate(xs):
    low, high = float(x_PX[:, number].min()), float(x_PX[:, number].max())
    if low <= x <= high:
      continue
    if high / low < DECADE:
      return f"runs span a factor of {high / low:.1f}; {DECADE:.0f} is wanted"
    if max(x / high, low / x) > high / low:
      return f"{x:.3g} is further from {low:.3g} to {high:.3g} than these span"
  return ""


def frontier(flops_P: np.ndarray, loss_P: np.ndarray) -> np.ndarray:
  """Which runs no other beats that costs no more, [P] booleans: a law of training FLOPs is one of
  what can be had for them, not of sizes that are wrong for them.
  """
  as_cheap_PP = flops_P[None] <= ALIKE * flops_P[:, None]
  beaten_P = np.any(as_cheap_PP & (loss_P[None] < loss_P[:, None]), axis=1)
  return np.logical_not(beaten_P)


@dataclasses.dataclass(frozen=True)
class Parabola:
  """Loss over the logarithm of the size at one budget: least + curve * log(size / best)**2."""

  best: float
  least: float
  curve: float

  def at(self, size: float) -> float:
    """The loss that it says."""
    return self.least + self.curve * float(np.log(size / self.best)) ** 2


def optimum(size_P: np.ndarray, loss_P: np.ndarray) -> Parabola | None:
  """The curve of runs of equal FLOPs, whose best size is the budget's (approach 2 of Hoffmann et
  al.); None where three sizes are not there or the least lies at their edge.
  """
  if len(set(size_P)) < 3:
    return None
  middle = np.log(size_P).mean()
  curve, slope, offset = np.polyfit(np.log(size_P) - middle, loss_P, 2)
  if curve <= 0:
    return None
  at = -slope / (2 * curve)
  best = float(np.exp(middle + at))
  if not size_P.min() < best < size_P.max():
    return None
  return Parabola(best, float(offset + slope * at / 2), float(curve))


def growth(
  flops_B: np.ndarray,
  sizes: Sequence[np.ndarray],
  seeds: Sequence[Sequence[Sequence[float]]],
  samples: int = 200,
) -> tuple[float, float, float] | None:
  """How the best size grows, as FLOPs**exponent: the exponent, and the middle 95% of samples in
  which each run's seeds are drawn anew. None where samples often have no best size inside.

  sizes: of each budget; seeds: of each budget the losses of each size.
  """
  draw = np.random.default_rng(0)

  def exponent(losses: Sequence[np.ndarray]) -> float | None:
    best = [one.best for one in map(optimum, sizes, losses) if one]
    if len(best) < len(sizes):
      return None
    return float(np.polyfit(np.log(flops_B), np.log(best), 1)[0])

  of_means = exponent([np.array([np.mean(each) for each in budget]) for budget in seeds])
  drawn = [exponent([_redrawn(budget, draw) for budget in seeds]) for _ in range(samples)]
  known = [one for one in drawn if one is not None]
  if of_means is None or len(known) < 0.95 * samples:
    return None
  return of_means, *middle(known)
