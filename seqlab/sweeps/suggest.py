"""The next point of a search, by Optuna.

Optuna holds nothing: at each question it is told in memory of all that was tried. Its storages lose
or double trials where several processes write to them; what is on our files it can be told anew.
"""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.errors import UserError
from seqlab.sweeps.declared import Changes
from seqlab.sweeps.space import Axis, Rules


@dataclasses.dataclass(frozen=True)
class Told:
  """A point that was tried. costs: after so many steps, less is better, infinite where it could
  not be trained; {} while there is none. whole: whether the last is that of the end.
  """

  changes: Changes
  costs: Mapping[int, float]
  whole: bool


def check() -> None:
  """
  Raises:
    UserError: Optuna is not installed.
  """
  try:
    import optuna
  except ImportError:
    raise UserError(
      "get_search() wants Optuna, which is not installed: pip install 'seqlab[search]'"
    ) from None
  optuna.logging.set_verbosity(optuna.logging.WARNING)


def suggestion(rules: Rules, told: Sequence[Told], seed: int) -> Changes:
  """A point to try next, the same whenever it is asked with the same; numbers have three digits.
  Points that are still training count as bad ones, so that those beside them are not tried too.
  """
  import optuna
  from optuna.trial import TrialState, create_trial

  axes = {key: _distribution(axis) for key, axis in rules.space.items()}
  samplers = optuna.samplers
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(
      sampler=samplers.RandomSampler(seed=seed)
      if rules.sampler == "random"
      else samplers.TPESampler(seed=seed, constant_liar=True)
    )
  for one in told:
    point = {key: _stored(rules.space[key], value) for key, value in one.changes.items()}
    last = max(one.costs, default=0)
    said: dict[str, Any] = dict(state=TrialState.RUNNING)
    if one.whole:
      said = dict(state=TrialState.COMPLETE, value=one.costs[last])
    elif one.costs:  # Optuna ranks these below those that got farther; NaN below all
      steps = {s: c if math.isfinite(c) else math.nan for s, c in one.costs.items()}
      said = dict(state=TrialState.PRUNED, intermediate_values=steps)
    study.add_trial(create_trial(params=point, distributions=axes, **said))
  point = study.ask(axes).params
  return {key: _meant(axis, point[key]) for key, axis in rules.space.items()}


def _distribution(axis: Axis) -> Any:
  from optuna import distributions as of

  if axis["kind"] == "choice":  # by its number, as Optuna takes no lists
    return of.CategoricalDistribution(range(len(axis["values"])))
  if axis["kind"] == "integer":
    return of.IntDistribution(axis["low"], axis["high"], step=axis["step"])
  return of.FloatDistribution(axis["low"], axis["high"], log=axis["kind"] == "log_uniform")


def _stored(axis: Axis, value: Any) -> Any:
  return axis["values"].index(value) if axis["kind"] == "choice" else value


def _meant(axis: Axis, value: Any) -> Any:
  if axis["kind"] == "choice":
    return axis["values"][value]
  if axis["kind"] == "integer":
    return value
  return min(max(float(f"{value:.3g}"), axis["low"]), axis["high"])
