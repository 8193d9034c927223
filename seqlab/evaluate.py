"""`seqlab evaluate`: a run's metrics over a whole set, whatever the batch and the mesh.

Every label of the set counts once; what fills up the last batch has weight 0. Nats are summed in
float32 on the device for a batch and in float64 over batches.
"""

import json
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.sharding import Mesh

from seqlab import axes, build
from seqlab.data.corpus import Corpus
from seqlab.data.loader import Loader, prefetch
from seqlab.errors import UserError
from seqlab.step import make_eval_step

Sums = dict[str, tuple[float, float]]


def evaluate(
  eval_step: Callable, params: Any, loader: Loader, mesh: Mesh, extra: dict, batches: int = 0
) -> Sums:
  """Sums the metrics of an evaluation loader, its first `batches` batches or all; `extra` is
  carried through.
  """
  stop = min(batches or loader.steps_per_epoch, loader.steps_per_epoch)
  sums: list[Any] = []
  with prefetch(loader, stop=stop) as stream:
    for _, batch in stream:
      metrics, extra = eval_step(params, axes.put_batch(batch, mesh), extra)
      sums.append(metrics)
  sums = jax.device_get(sums)  # one wait, after everything is dispatched
  return {
    name: (math.fsum(float(s[name][0]) for s in sums), math.fsum(float(s[name][1]) for s in sums))
    for name in sums[0]
  }


def report(sums: Sums, size: Mapping[str, int] | None = None) -> dict[str, float]:
  """Means of the sums; for text, given the `size` of the whole set, also perplexity and bits per
  byte and character.
  """
  numbers = {name: total / max(weight, 1) for name, (total, weight) in sums.items()}
  if "accuracy" not in numbers:
    numbers["perplexity"] = math.exp(min(numbers["loss"], 700))
    if size:
      bits = sums["loss"][0] / math.log(2)
      numbers["bits_per_byte"] = bits / size["bytes"]
      numbers["bits_per_character"] = bits / size["characters"]
  return numbers


def run(workdir: str, split: str, step: str, batch: int, data: str) -> None:
  """Prints a table of the metrics and writes them to the run's folder as evaluate_SPLIT.json."""
  from seqlab.table import show
  from seqlab.trained import open_run

  trained = open_run(workdir, step)
  config, corpus, mesh = trained.config, trained.corpus, trained.mesh
  if data:
    corpus = _other_corpus(config, corpus, data)
  with axes.use_mesh(mesh, build.table(config)):
    rows = batch or config.batch
    if rows % mesh.size:
      raise UserError(f"--batch={rows}: the {mesh.size} devices do not divide it")
    loader = build.make_loader(config, corpus, split, train=False, batch=rows)
    eval_step = jax.jit(make_eval_step(trained.objective))
    extra = trained.objective.init_extra(loader.batch)
    sums = evaluate(eval_step, trained.params, loader, mesh, extra)
  size = corpus.size(split)
  numbers = report(sums, size)
  counted = "examples" if "accuracy" in numbers else "tokens"
  rows = [(name.replace("_", " "), f"{value:.4f}") for name, value in numbers.items()]
  rows.append((f"{counted} counted", f"{sums['loss'][1]:,.0f}"))
  show(f"{workdir}, step {trained.step}, {split} set", ("metric", "value"), rows)
  result = {"step": trained.step, "split": split, "data": data or config.data.source, **numbers}
  (pathlib.Path(workdir) / f"evaluate_{split}.json").write_text(json.dumps(result, indent=2) + "\n")


def _other_corpus(config: Any, corpus: Corpus, source: str) -> Corpus:
  """Another text under the run's own tokenizer."""
  from seqlab.prepare import prepare

  return prepare(
    source, f"file(path={str(corpus.stores[0].folder)!r})", config.data.valid, config.data.store
  )
