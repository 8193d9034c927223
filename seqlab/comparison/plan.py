"""What is compared with what: architectures at the size at which they cost the same."""

import dataclasses
from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from seqlab import build, plugins
from seqlab import config as configs
from seqlab.comparison.budgets import Costs, costs, fitted
from seqlab.data.learned import learned_from
from seqlab.errors import UserError
from seqlab.objectives import OBJECTIVES
from seqlab.prepare import data_of
from seqlab.sizing import sized
from seqlab.sweeps.declared import Changes

# Parameters of a model up to which its seeds, and its rates, train as one program: a batch of small
# products takes less than as many programs, which are each compiled.
SMALL = 3_000_000


@dataclasses.dataclass(frozen=True)
class Architecture:
  """As it is compared: what it changes of the config, its size among it, and what a run costs."""

  name: str
  changes: Changes
  config: ConfigDict
  costs: Costs


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is compared, of which file, over which seeds and rates, by which metric."""

  file: str
  overrides: Sequence[str]
  architectures: Sequence[Architecture]
  equal: str
  seed: int
  seeds: int
  lrs: Sequence[float]
  metric: str

  @property
  def lower(self) -> bool:
    """Whether lower is better."""
    return self.metric == "loss"

  @property
  def first(self) -> Architecture:
    """To whose costs the others are brought."""
    return self.architectures[0]

  @property
  def tuning_seed(self) -> int:
    """On which rates are tried: none that is compared, however many are."""
    return self.seed + 1000


def planned(
  file: str,
  overrides: Sequence[str],
  named: Mapping[str, Changes],
  equal: str,
  seeds: int,
  lrs: Sequence[float],
) -> Plan:
  """The plan of a file's architectures. lrs: () for a third of config.lr, it and its triple.

  Raises:
    UserError: the first architecture that cannot be trained or brought to the budget, and why.
  """
  of = configs.load(file, overrides)
  if of.seeds > 1 or of.lrs:
    raise UserError(
      f"config.seeds={of.seeds}, config.lrs={of.lrs}: a comparison has --seeds and --lrs"
    )
  objective = OBJECTIVES[build.called(of, "objective").name]
  if not objective.ranked:
    raise UserError(f"config.objective={of.objective!r}: nothing it measures says what is better")
  lrs = tuple(lrs) or tuple(float(f"{of.lr * factor:.3g}") for factor in (1 / 3, 1, 3))
  made: list[Architecture] = []
  for name, changes in named.items():
    try:
      made.append(_architecture(file, overrides, name, changes, equal, made))
    except UserError as error:
      raise UserError(f"{name}: {error}") from None
  return Plan(file, overrides, made, equal, of.seed, seeds, lrs, of.checkpoint.metric)


def _architecture(
  file: str,
  overrides: Sequence[str],
  name: str,
  changes: Changes,
  equal: str,
  before: Sequence[Architecture],
) -> Architecture:
  config = configs.load(file, overrides, changes)
  plugins.load(config.plugins)
  config = sized(config)
  build.check(config)
  learned = learned_from(data_of(config, tell=lambda line: None))
  if before and equal != "data":
    config = fitted(config, equal, getattr(before[0].costs, equal), learned)
  own = {"model.width": config.model.width, "model.mlp": config.model.mlp, "model.parameters": 0}
  config.model.parameters = 0
  return Architecture(name, {**changes, **own}, config, costs(config, learned))


def together(one: Architecture) -> bool:
  """Whether its runs share a program."""
  alone = "lora" in one.config.init.adapt
  return one.costs.parameters <= SMALL and not alone
