"""What came of a comparison: means over seeds, tests, ranks, floors and controls."""

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from seqlab import config as configs
from seqlab import metrics
from seqlab.comparison.budgets import Costs
from seqlab.comparison.plan import Plan, together
from seqlab.comparison.probes import Probed
from seqlab.data.baselines import characters
from seqlab.data.corpus import Corpus
from seqlab.prepare import data_of, texts
from seqlab.scores.paired import Paired, pairs_of, ranks
from seqlab.scores.seeds import student
from seqlab.sweeps.states import Outcome

COUNTED = 20_000_000  # characters of a text, of which n-grams are counted


@dataclasses.dataclass(frozen=True)
class Row:
  """An architecture. values: of each seed, None where it diverged. mean, half: with its 95%
  interval, NaN where one is missing. rank: the best and the worst that it may have. tuned: what
  each rate came to. curve: of each seed (step, value) on the validation set. seconds: of a step,
  a seed's share of its program's; latency: of a token in writing.
  """

  name: str
  values: list[float | None]
  mean: float
  half: float
  rank: tuple[int, int] | None
  lr: float
  tuned: dict[float, float]
  costs: Costs
  width: int
  mlp: str
  curve: list[list[tuple[int, float]]]
  seconds: float
  latency: float | None

  @property
  def at_the_edge(self) -> bool:
    """Whether the best rate is the first or the last that was tried: there may be a better one."""
    return len(self.tuned) > 2 and self.lr in (min(self.tuned), max(self.tuned))


@dataclasses.dataclass(frozen=True)
class Comparison:
  """rows: best first, those with a seed that diverged behind. pairs: of those that are ranked.
  beside: what is no competitor, by name: its number with the half-width of its interval, or 0.
  """

  metric: str
  lower: bool
  equal: str
  rows: list[Row]
  pairs: dict[tuple[str, str], Paired]
  beside: dict[str, tuple[float, float]]
  about: dict[str, Any]

  def verdict(self) -> str:
    """What may be said of it, in a sentence or two."""
    ranked = {row.name: row.rank for row in self.rows if row.rank}
    first = [name for name, (best, _) in ranked.items() if best == 1]
    what = f"{'lowest' if self.lower else 'highest'} {self.metric}"
    if not ranked:
      said = "No architecture got through all its seeds."
    elif len(ranked) == 1:
      said = f"Only {first[0]} got through all its seeds."
    elif not any(one.apart for one in self.pairs.values()):
      said = f"None is ranked: {_listed(first)} cannot be told apart."
    elif len(first) == 1 and ranked[first[0]] == (1, 1):
      said = f"{first[0]} has the {what}, told apart from every other."
    else:
      than = f"{'lower' if self.lower else 'higher'} {self.metric}"
      said = f"Nothing is shown to have a {than} than {_listed(first)}."
    apart = sum(one.apart for one in self.pairs.values())
    if self.pairs:
      said += f" {apart} of {len(self.pairs)} pairs differ at 5% (paired tests, Holm)."
    if lost := [row.name for row in self.rows if not row.rank]:
      said += f" Not ranked, as a seed diverged: {_listed(lost)}."
    return said

  def json(self) -> str:
    """All of it, for programs."""
    said = dataclasses.asdict(self)
    said["pairs"] = {f"{a} - {b}": one._asdict() for (a, b), one in self.pairs.items()}
    said["verdict"] = self.verdict()
    return json.dumps(_finite(said), indent=1, ensure_ascii=False) + "\n"


def compared(
  plan: Plan,
  tuned: Mapping[str, Mapping[float, float]],
  best: Mapping[str, float],
  outcomes: Mapping[str, Sequence[Outcome]],
  latencies: Sequence[float | None],
  beside: Mapping[str, tuple[float, float]],
  about: Mapping[str, Any],
) -> Comparison:
  """tuned, best: rates by architecture. outcomes: of its seeds, in their order. latencies: in the
  order of the architectures.
  """
  values = {
    name: [one.value(plan.metric) if one.state == "done" else None for one in found]
    for name, found in outcomes.items()
  }
  whole: dict[str, list[float]] = {
    name: [x for x in found if x is not None] for name, found in values.items() if None not in found
  }
  pairs = pairs_of(whole)
  rank = ranks(whole, pairs, plan.lower)
  order = [*rank, *(name for name in values if name not in rank)]
  made = []
  for one, latency in zip(plan.architectures, latencies, strict=True):
    found = outcomes[one.name]
    mean, half = _interval(whole.get(one.name, []))
    lines = [metrics.read(each.run.folder) for each in found]
    seconds = _seconds(lines) / (plan.seeds if together(one) else 1)
    made.append(Row(
      one.name, values[one.name], mean, half, rank.get(one.name), best[one.name],
      dict(tuned.get(one.name, {})), one.costs, one.config.model.width, one.config.model.mlp,
      [_curve(each, plan.metric) for each in lines], seconds, latency,
    ))  # fmt: skip
  rows = sorted(made, key=lambda row: order.index(row.name))
  return Comparison(plan.metric, plan.lower, plan.equal, rows, pairs, dict(beside), dict(about))


def beside(
  plan: Plan, probed: Probed, control: Sequence[Outcome]
) -> dict[str, tuple[float, float]]:
  """What no architecture competes with: the first one before its first step and on shuffled text,
  whose runs `control` are, and what counting characters reaches.

  What is told of characters, and of shuffled text, whose tokens may be of others, is brought to the
  nats of as many characters as a token of the text has.
  """
  name, found, config = plan.first.name, {}, plan.first.config
  if plan.metric in probed.untrained:
    found[f"{name}, untrained"] = (probed.untrained[plan.metric], 0.0)
  if plan.metric != "loss" or not control:
    return found
  each = _characters(config)
  values = [one.value("loss") for one in control if one.state == "done"]
  if len(values) == len(control):
    shuffled = _characters(configs.read(control[0].run.folder / "config.json"))
    mean, half = _interval([each / shuffled * (value or math.nan) for value in values])
    found[f"{name}, on shuffled text"] = mean, 0.0 if math.isnan(half) else half
  data = config.data
  train, valid = (
    list(_first(texts(data.source, data.valid, split, data.clean))) for split in ("train", "valid")
  )
  counted = characters(train, valid)
  nats = each * math.log(2)
  return found | {f"{n} (Kneser-Ney)": (counted[n] * nats, 0.0) for n in counted}


def _characters(config: ConfigDict) -> float:
  """Characters of a token of the validation text, ends of documents among the tokens."""
  corpus = data_of(config, tell=lambda line: None)
  assert isinstance(corpus, Corpus)  # language models have a control, and read text
  size = corpus.size("valid")
  return size["characters"] / size["tokens"]


def _first(found: Iterable[str]) -> Iterator[str]:
  """Texts of `COUNTED` characters: more would not change what is counted, but not fit."""
  left = COUNTED
  for text in found:
    yield text[:left]
    left -= len(text)
    if left <= 0:
      return


def _interval(values: Sequence[float]) -> tuple[float, float]:
  if len(values) > 1:
    return student(values)
  return (values[0] if values else math.nan), math.nan


def _curve(lines: Sequence[Mapping[str, Any]], metric: str) -> list[tuple[int, float]]:
  name = f"valid/{metric}"
  return [(line["step"], line[name]) for line in lines if line.get(name) is not None]


def _seconds(runs: Sequence[Sequence[Mapping[str, Any]]]) -> float:
  """That a step of their program takes."""
  speeds = [x for lines in runs for line in lines if (x := line.get("steps_per_second"))]
  return 1 / statistics.median(speeds) if speeds else math.nan


def _listed(names: Sequence[str]) -> str:
  return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + [names[-1]])


def _finite(tree: Any) -> Any:
  """As JSON has it: no NaN, no infinity."""
  if isinstance(tree, dict):
    return {str(key): _finite(x) for key, x in tree.items()}
  if isinstance(tree, list | tuple):
    return [_finite(x) for x in tree]
  return None if isinstance(tree, float) and not math.isfinite(tree) else tree
