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
from seqlab.pictures.scaling import Curve, Drawn
from seqlab.pictures.scaling import scaling as scaling_drawn
from seqlab.prepare import data_of
from seqlab.scores.scaling import (
  ALIKE,
  Law,
  Parabola,
  beyond,
  frontier,
  growth,
  middle,
  optimum,
  resampled,
)
from seqlab.sizing import sized
from seqlab.sweeps import trials
from seqlab.sweeps.made import leave_devices
from seqlab.sweeps.states import outcomes

# Keys that may differ between the runs of one law.
VARIED = (
  *("seed", "steps", "batch", "lr"),
  *("model.width", "model.depth", "model.parameters", "model.mlp"),
)
WANTED = "a law wants three runs of an architecture, each better than all that cost no more"

Points = dict[Costs, list[float]]  # losses of the seeds of each size and length
Budgets = dict[float, tuple[Points, Parabola | None]]  # by FLOPs: its runs, their curve


def run(workdir: str, at: float) -> None:
  """Prints the laws of a sweep and writes scaling.png and scaling.json into its folder.

  at: training FLOPs for which the loss is said, 0 for none.

  Raises:
    UserError: no sweep, or no runs that a law could be fitted to.
  """
  leave_devices()
  root = pathlib.Path(workdir)
  groups = grouped(root)
  bests = {name: unbeaten(points) for name, points in groups.items()}
  laws = {name: _in_flops(best) for name, best in bests.items() if len(best) >= 3}
  few = [
    f"{name}: {len(best)} of {len(groups[name])}"
    for name, best in bests.items()
    if name not in laws
  ]
  if few or not laws:
    said = f"{WANTED}; there are {', '.join(few) or 'no runs that are done'}"
    if not laws:
      raise UserError(f"--workdir={workdir}: {said}")
    print(said)
  table.show(
    f"{root}: loss = floor + scale * FLOPs^-exponent of the best runs, 95% over seeds",
    ("", "runs", "floor", "exponent", "residual", *([f"at {at:.3g}"] if at else [])),
    [_row(name, bests[name], len(groups[name]), *law, at) for name, law in laws.items()],
  )
  curves = {name: budgets(points) for name, points in groups.items()}
  for name, points in groups.items():
    for line in _more(name, points, curves[name]):
      print(line)
  drawn = {
    name: _drawn(groups[name], bests[name], law, curves[name]) for name, (law, _) in laws.items()
  }
  (root / "scaling.png").write_bytes(scaling_drawn(drawn))
  written = {
    name: dict(
      law=vars(law),
      exponent=middle([one.exponents[0] for one in samples]),
      points=[
        dict(vars(of), losses=losses, best=of in bests[name]) for of, losses in groups[name].items()
      ],
    )
    for name, (law, samples) in laws.items()
  }
  (root / "scaling.json").write_text(json.dumps(written, indent=1) + "\n")
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


def unbeaten(points: Points) -> Points:
  """Those that none beats which costs no more."""
  kept = frontier(_flops(points)[:, 0], _means(points))
  return {of: points[of] for of, keep in zip(points, kept, strict=True) if keep}


def budgets(points: Points) -> Budgets:
  """By training FLOPs, the runs that cost as much, where three sizes were tried or more, and their
  curve, if its best size lies inside.
  """
  alike: list[list[Costs]] = []
  for of in sorted(points, key=lambda of: of.flops):
    if alike and of.flops <= ALIKE * alike[-1][0].flops:
      alike[-1].append(of)
    else:
      alike.append([of])
  found: Budgets = {}
  for each in alike:
    if len({of.parameters for of in each}) >= 3:
      runs = {of: points[of] for of in each}
      curve = optimum(_sizes(runs), _means(runs))
      found[float(np.mean([of.flops for of in each]))] = runs, curve
  return found


def _in_flops(points: Points) -> tuple[Law, list[Law]]:
  return resampled(_flops(points), list(points.values()))


def _flops(points: Points) -> np.ndarray:
  return np.array([[of.flops] for of in points], float)


def _sizes(points: Points) -> np.ndarray:
  return np.array([of.parameters for of in points], float)


def _means(points: Points) -> np.ndarray:
  return np.array([np.mean(losses) for losses in points.values()])


def _row(
  name: str, best: Points, all: int, law: Law, samples: Sequence[Law], at: float
) -> list[str]:
  low, high = middle([one.exponents[0] for one in samples])
  exponent = (
    f"{law.exponents[0]:.3f} [{low:.3f}, {high:.3f}]" if law.determined else "not determined"
  )
  runs = f"{len(best)} of {all}"
  row = [name, runs, f"{law.floor:.3f}", exponent, f"{100 * law.error:.2f}%"]
  if at:
    why = beyond(_flops(best), at) or ("" if law.determined else "no exponent is determined")
    low, high = middle([one.at(at) for one in samples])
    row.append(f"refused: {why}" if why else f"{law.at(at):.3f} [{low:.3f}, {high:.3f}]")
  return row


def _more(name: str, points: Points, curves: Budgets) -> Iterator[str]:
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
  inside = {flops: runs for flops, (runs, curve) in curves.items() if curve}
  for flops, (_, curve) in curves.items():
    if curve:
      yield f"{name}: at {flops:.3g} FLOPs {curve.best:,.0f} parameters are best"
    else:
      yield f"{name}: at {flops:.3g} FLOPs the best size lies at the edge of those tried"
  if len(inside) >= 3:
    sizes = [_sizes(runs) for runs in inside.values()]
    losses = [list(runs.values()) for runs in inside.values()]
    grown = growth(np.array(list(inside)), sizes, losses)
    found = "{:.2f} [{:.2f}, {:.2f}]".format(*grown) if grown else "(not determined)"
    yield f"{name}: the best size grows as FLOPs^{found}"


def _drawn(points: Points, best: Points, law: Law, curves: Budgets) -> Drawn:
  kept = np.array([of in best for of in points])
  shown = [
    Curve(flops, _sizes(runs), _means(runs), curve.at if curve else None)
    for flops, (runs, curve) in curves.items()
  ]
  return Drawn(_flops(points)[:, 0], _means(points), kept, law.at, shown)
