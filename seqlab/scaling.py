"""`seqlab scaling`: laws of loss against parameters, tokens and training FLOPs, fitted to the runs
of a sweep that varies them, with intervals over seeds.

Runs that differ in anything but their size, their steps, their rate and their seed are fitted
apart: architectures, in most sweeps.
"""

import json
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from ml_collections import ConfigDict

from seqlab import config as configs
from seqlab import plugins, table
from seqlab.comparison.budgets import Costs, costs
from seqlab.data.learned import learned_from
from seqlab.errors import UserError
from seqlab.pictures.scaling import laws as laws_drawn
from seqlab.prepare import data_of
from seqlab.scores.scaling import Law, beyond, middle, optimum, resampled
from seqlab.sizing import sized
from seqlab.sweeps import trials
from seqlab.sweeps.made import leave_devices
from seqlab.sweeps.states import outcomes

# Keys that may differ between the runs of one law.
VARIED = (
  *("seed", "steps", "batch", "lr"),
  *("model.width", "model.depth", "model.parameters", "model.mlp"),
)
ALIKE = 1.02  # FLOPs within this factor are those of one budget

Points = dict[Costs, list[float]]  # losses of the seeds of each size and length


def run(workdir: str, at: float) -> None:
  """Prints the laws of a sweep and writes scaling.png and scaling.json into its folder.

  at: training FLOPs for which the loss is said, 0 for none.

  Raises:
    UserError: no sweep, or no runs that a law could be fitted to.
  """
  leave_devices()
  root = pathlib.Path(workdir)
  groups = grouped(root)
  laws = {name: _in_flops(points) for name, points in groups.items() if len(points) >= 3}
  if not laws:
    counts = ", ".join(f"{name}: {len(points)}" for name, points in groups.items())
    raise UserError(
      f"--workdir={workdir}: a law wants three sizes or lengths of one architecture; there are "
      f"{counts or 'no runs that are done'}"
    )
  table.show(
    f"{root}: loss = floor + scale * FLOPs^-exponent, 95% over seeds",
    ("", "points", "floor", "exponent", "residual", *([f"at {at:.3g}"] if at else [])),
    [_row(name, groups[name], *law, at) for name, law in laws.items()],
  )
  for name, points in groups.items():
    for line in _more(name, points):
      print(line)
  curves = {
    name: (_flops(groups[name])[:, 0], _means(groups[name]), law.at)
    for name, (law, _) in laws.items()
  }
  (root / "scaling.png").write_bytes(laws_drawn(curves))
  said = {
    name: dict(
      law=vars(law), exponent=middle([one.exponents[0] for one in samples]),
      points=[dict(vars(of), losses=losses) for of, losses in groups[name].items()],
    )
    for name, (law, samples) in laws.items()
  }  # fmt: skip
  (root / "scaling.json").write_text(json.dumps(said, indent=1) + "\n")
  print(f"written: {root / 'scaling.png'}, scaling.json")


def grouped(root: pathlib.Path) -> dict[str, Points]:
  """The runs of a sweep that are done, by what else they change; of each size and length those of
  the rate that does best.
  """
  tried: dict[str, dict[tuple[Costs, float], list[float]]] = {}
  known: dict[str, Costs] = {}
  for trial in trials.read(root):
    config = configs.read(trial.config)
    for one in outcomes(trial):
      value = one.value("loss")
      if one.state == "done" and value is not None:
        others = {key: x for key, x in one.run.changes.items() if key not in VARIED}
        at = _costs(config, known), float(one.run.changes.get("lr", config.lr))
        tried.setdefault(trials.named(others), {}).setdefault(at, []).append(value)
  found: dict[str, Points] = {}
  for name, points in tried.items():
    by_mean = sorted(points.items(), key=lambda item: -float(np.mean(item[1])))
    found[name] = {of: losses for (of, _), losses in by_mean}  # the last of each size is its best
  return found


def _costs(config: ConfigDict, known: dict[str, Costs]) -> Costs:
  config.seed, config.lr, config.seeds, config.lrs = 0, 1.0, 1, ()
  key = json.dumps(dict(configs.flat(config)))
  if key not in known:
    plugins.load(config.plugins)
    known[key] = costs(sized(config), learned_from(data_of(config, tell=lambda line: None)))
  return known[key]


def _in_flops(points: Points) -> tuple[Law, list[Law]]:
  return resampled(_flops(points), list(points.values()))


def _flops(points: Points) -> np.ndarray:
  return np.array([[of.flops] for of in points], float)


def _means(points: Points) -> np.ndarray:
  return np.array([np.mean(losses) for losses in points.values()])


def _row(name: str, points: Points, law: Law, samples: Sequence[Law], at: float) -> list[str]:
  low, high = middle([one.exponents[0] for one in samples])
  exponent = (
    f"{law.exponents[0]:.3f} [{low:.3f}, {high:.3f}]" if law.determined else "not determined"
  )
  row = [name, str(len(points)), f"{law.floor:.3f}", exponent, f"{100 * law.error:.2f}%"]
  if at:
    why = beyond(_flops(points), at) or ("" if law.determined else "no exponent is determined")
    low, high = middle([one.at(at) for one in samples])
    row.append(f"refused: {why}" if why else f"{law.at(at):.3f} [{low:.3f}, {high:.3f}]")
  return row


def _more(name: str, points: Points) -> Iterator[str]:
  """What sizes and lengths that vary apart tell besides."""
  x_PX = np.array([(of.parameters, of.data) for of in points], float)
  varied = [len(set(x_PX[:, number])) for number in (0, 1)]
  if min(varied) >= 3 and len(points) >= 6:
    law, samples = resampled(x_PX, list(points.values()))
    said = []
    for number, what in enumerate(("parameters", "data")):
      low, high = middle([one.exponents[number] for one in samples])
      said.append(f"{what}^-{law.exponents[number]:.3f} [{low:.3f}, {high:.3f}]")
    unsure = "" if law.determined else " (not determined)"
    yield f"{name}: loss = {law.floor:.3f} + {' + '.join(said)}{unsure}"
  best = {}
  for budget in sorted(_flops(points)[:, 0]):
    alike = [of for of in points if budget <= of.flops <= ALIKE * budget]
    size = optimum(
      np.array([of.parameters for of in alike], float),
      np.array([np.mean(points[of]) for of in alike]),
    )
    if size:
      best[budget] = size
  for budget, size in best.items():
    yield f"{name}: at {budget:.3g} FLOPs {size:,.0f} parameters are best"
  if len(best) >= 3:
    slope = np.polyfit(np.log(list(best)), np.log(list(best.values())), 1)[0]
    yield f"{name}: the best size grows as FLOPs^{slope:.2f}"
