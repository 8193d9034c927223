"""`seqlab compare`: architectures at an equal budget, each at a rate that was tuned for it, over
seeds, with tests of what can be told apart.

What `get_architectures()` of a config file names is sized to what the first of them costs, tuned,
trained and measured. Whatever ends the command, the same command goes on, and trains nothing twice.
"""

import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from seqlab import __version__, table
from seqlab.comparison import outcome, probes, stages, written
from seqlab.comparison.page import page
from seqlab.comparison.plan import Plan, planned
from seqlab.data.array_sources import gives_arrays
from seqlab.errors import UserError
from seqlab.sweeps import launch, made
from seqlab.sweeps.declared import architectures
from seqlab.sweeps.states import Listed


class _Unfinished(Exception):
  """A stage did not end; its exit code."""


def run(
  workdir: str,
  config: str,
  overrides: Sequence[str],
  equal: str,
  seeds: int,
  lrs: Sequence[float],
  **launched: Any,
) -> int:
  """Writes report.html, report.md, report.csv and comparison.json into WORKDIR and returns the exit
  code: 0, or that of the sweep that did not end.

  equal: what is made the same for all: flops, parameters, state (bytes) or data. seeds: how many,
  from config.seed on. lrs: that are tried for each, () for a third of config.lr, it and its triple.
  launched: how trials run, as `sweeps.launch.train` has it.

  Raises:
    UserError: no architectures, one that cannot be trained or brought to the budget, or WORKDIR has
      another comparison.
  """
  if not config:
    raise UserError(
      "--config=FILE is wanted: a Python file with get_config() and get_architectures()"
    )
  root = pathlib.Path(workdir)
  named = architectures(config)
  made.leave_devices()
  print("sizing the architectures", flush=True)
  plan = planned(config, overrides, named, equal, seeds, lrs)
  _show_sizes(plan)

  def trained(stage: str, runs: stages.Runs) -> stages.Stage:
    return _trained(stages.stage(root / stage, plan, runs), plan.metric, launched)

  try:
    tuned = stages.rates(plan, trained("tuning", stages.tuning(plan)))
    best = stages.best(plan, tuned)
    outcomes = trained(f"runs_{seeds}_seeds", stages.runs(plan, best)).outcomes()
    control = trained(f"control_{seeds}_seeds", stages.control(plan, best)).outcomes()
  except _Unfinished as stage:
    return int(stage.args[0])
  print("measuring an untrained model and latencies, counting characters", flush=True)
  paths = [outcomes[one.name][0].run.folder / "config.json" for one in plan.architectures]
  probed = probes.probed(paths, root / "probed.json")
  beside = outcome.beside(plan, probed, control.get(plan.first.name, []))
  about = _about(plan, probed.device)
  found = outcome.compared(plan, tuned, best, outcomes, probed.latencies, beside, about)
  for name, text in {
    "report.html": page(found), "report.md": written.markdown(found),
    "report.csv": written.as_csv(found), "comparison.json": found.json(),
  }.items():  # fmt: skip
    (root / name).write_text(text, encoding="utf-8")
  written.show(found)
  print(f"written: {root / 'report.html'}, report.md, report.csv, comparison.json")
  return 0


def _trained(stage: stages.Stage, metric: str, launched: dict[str, Any]) -> stages.Stage:
  """A stage when all its trials are at their end."""
  done, count = stage.cached()
  if count:
    print(f"{stage.root.name}: {done}/{count} cached", flush=True)
  if done < count and (code := launch.train(stage.root, Listed(stage.trials), metric, **launched)):
    raise _Unfinished(code)
  return stage


def _show_sizes(plan: Plan) -> None:
  rows = []
  for one in plan.architectures:
    of, wanted = one.costs, getattr(plan.first.costs, plan.equal)
    off = f"{100 * (getattr(of, plan.equal) / wanted - 1):+.2f}%" if wanted else ""
    rows.append((
      one.name, str(one.config.model.width), one.config.model.mlp, f"{of.parameters:,}",
      f"{of.flops:.4g}", f"{of.state:,}", f"{of.data:,}", off,
    ))  # fmt: skip
  columns = ("", "width", "mlp", "parameters", "training FLOPs", "state bytes", "data", plan.equal)
  table.show(f"what a run takes, at equal {plan.equal}", columns, rows)


def _about(plan: Plan, device: str) -> dict[str, Any]:
  of = plan.first.config
  arrays = gives_arrays(of.data.source)
  rows = f"{of.batch:,} examples" if arrays else f"{of.batch:,} x {of.length:,}"
  return dict(
    command=shlex.join(["seqlab", *sys.argv[1:]]),
    what=f"{of.data.source}, {of.steps:,} steps of {rows}, {of.objective}",
    made=f"seqlab {__version__}",
    device=device, first=plan.first.name, steps=of.steps, length=of.length,
    tokens=plan.first.costs.data / of.steps, counts="examples" if arrays else "tokens",
    seeds=list(range(plan.seed, plan.seed + plan.seeds)),
    lrs=list(plan.lrs), tuning_seed=plan.tuning_seed,
  )  # fmt: skip
