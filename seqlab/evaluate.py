"""`seqlab evaluate`: a run's metrics over a whole set, whatever the batch and the mesh.

Every label of the set counts once; what fills up the last batch has weight 0. Nats are summed in
float32 on the device for a batch and in float64 over batches.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from seqlab import axes, build
from seqlab.data.arrays import Arrays
from seqlab.data.loader import Loader, prefetch
from seqlab.data.windows import Batch
from seqlab.errors import UserError
from seqlab.metrics import means
from seqlab.objectives.base import Objective
from seqlab.step import make_eval_step

Sums = dict[str, tuple[float, float]]


def evaluate(
  eval_step: Callable, params: Any, loader: Loader, mesh: Mesh, extra: dict, batches: int = 0
) -> Sums:
  """Sums the metrics of an evaluation loader, its first `batches` batches or all; `extra`, of
  `rows_on(mesh, loader.batch)` rows, is carried through.
  """
  stop = min(batches or loader.steps_per_epoch, loader.steps_per_epoch)
  rows = rows_on(mesh, loader.batch) // jax.process_count()
  sums: list[Any] = []
  with prefetch(loader, stop=stop) as stream:
    for _, batch in stream:
      metrics, extra = eval_step(params, axes.put_batch(_filled(batch, rows), mesh), extra)
      sums.append(metrics)
  sums = jax.device_get(sums)  # one wait, after everything is dispatched
  return {
    name: (math.fsum(float(s[name][0]) for s in sums), math.fsum(float(s[name][1]) for s in sums))
    for name in sums[0]
  }


def rows_on(mesh: Mesh, rows: int) -> int:
  """`rows`, and as many more as make the devices share them evenly."""
  ways = mesh.shape["data"] * mesh.shape["fsdp"]
  return -(-rows // ways) * ways


def _filled(batch: Batch, rows: int) -> Batch:
  """The batch with rows of zeros, whose weight is 0 too, up to `rows`."""
  return {
    name: np.pad(x, [(0, rows - len(x))] + [(0, 0)] * (x.ndim - 1)) if len(x) < rows else x
    for name, x in batch.items()
  }


def report(
  objective: Objective, sums: Sums, size: Mapping[str, int] | None = None
) -> dict[str, float]:
  """Means of the sums; where tokens are told, also perplexity; where all of a text is told, given
  the `size` of the whole set, also bits per byte and character.
  """
  numbers = means(sums)
  told = "loss" if objective.counts.endswith("tokens") else "token_loss"
  if told in numbers:
    numbers["perplexity"] = math.exp(min(numbers[told], 700))
  if size and objective.whole_text:
    bits = sums["loss"][0] / math.log(2)
    numbers["bits_per_byte"] = bits / size["bytes"]
    numbers["bits_per_character"] = bits / size["characters"]
  return numbers


def run(workdir: str, split: str, step: str, batch: int, data: str, classifier: str) -> None:
  """Prints a table of the metrics and writes them to the run's folder: evaluate_SPLIT.json, or
  evaluate_data.json where they are of `data`, the whole of another source.
  """
  from seqlab import generated
  from seqlab.table import show
  from seqlab.trained import open_run, other_data, own_data

  trained = open_run(workdir, step)
  config, mesh = trained.config, trained.mesh
  corpus = other_data(trained, data) if data else own_data(trained, split)
  part, name = ("train", "data") if data else (split, split)
  with axes.use_mesh(mesh, build.table(config)):
    loader = build.make_loader(config, corpus, part, train=False, batch=batch)
    if batch and not trained.objective.ranked:
      raise UserError(
        f"--batch={batch}: {trained.config.objective} is evaluated in batches of config.batch="
        f"{config.batch}, on which its numbers depend; leave --batch out"
      )
    if batch and loader.batch != batch:
      raise UserError(
        f"--batch={batch}: this run carries its state from batch to batch, in config.batch="
        f"{config.batch} lanes on which the numbers depend; leave --batch out"
      )
    objective = build.make_objective(config, trained.learned, corpus.labels)
    eval_step = jax.jit(make_eval_step(objective))
    extra = objective.init_extra(rows_on(mesh, loader.batch))
    sums = evaluate(eval_step, trained.params, loader, mesh, extra)
  size = corpus.size(part)
  numbers = report(trained.objective, sums, size)
  if isinstance(corpus, Arrays) and trained.objective.writes == "arrays":
    numbers |= generated.compare(trained, corpus, part, classifier)
  elif trained.objective.writes == "continuations":
    numbers |= generated.under_the_oracle(trained)
  if classifier and "classes" not in numbers:
    raise UserError(f"--classifier={classifier}: this run makes no images for it to judge")
  rows = [(name.replace("_", " "), f"{value:.4f}") for name, value in numbers.items()]
  rows.append((f"{trained.objective.counts} counted", f"{sums['loss'][1]:,.0f}"))
  if size.get("unknown"):
    rows.append(("unknown tokens", f"{size['unknown']:,}"))
  title = f"{workdir}, step {trained.step}, {data or f'{split} set'}"
  show(title, ("metric", "value"), rows)
  result = {"step": trained.step, "split": name, "data": data or config.data.source, **numbers}
  path = trained.folder / f"evaluate_{name}.json"
  try:
    path.write_text(json.dumps(result, indent=2) + "\n")
  except OSError as error:
    raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
