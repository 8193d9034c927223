"""Laws of scaling, fitted to runs: loss = floor + sum of scale * x**-exponent.

With x the parameters and the tokens this is the third approach of Hoffmann et al. 2022
(arXiv:2203.15556, section 3.3); with x the training FLOPs the power law of Kaplan et al. 2020 above
a floor. For given exponents the rest is linear and not negative, so exponents alone are searched
for. Residuals are relative, since losses of small models would else decide. Intervals are of the
bootstrap over seeds: of each point the seeds are drawn anew, then the law is fitted anew.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

EXPONENTS = 0.02, 2.0  # between which they are searched for
DECADE = 10.0  # that what is varied must span, before anything is said beyond it


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
    drawn = [np.mean(draw.choice(each, len(each))) for each in seeds]
    found.append(fitted(x_PX, np.array(drawn), start=law.exponents))
  return law, found


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


def optimum(size_P: np.ndarray, loss_P: np.ndarray) -> float | None:
  """The size of least loss among runs of equal FLOPs, by a parabola in its logarithm (approach 2 of
  Hoffmann et al.); None where three sizes are not there or the least lies at their edge.
  """
  if len(set(size_P)) < 3:
    return None
  curve, slope, _ = np.polyfit(np.log(size_P), loss_P, 2)
  if curve <= 0:
    return None
  found = float(np.exp(-slope / (2 * curve)))
  return found if size_P.min() < found < size_P.max() else None
