"""What is measured of architectures without training them, on a device of this machine: what an
untrained one says of the validation set, and how long it takes to write a token.
"""

import concurrent.futures
import dataclasses
import itertools
import json
import multiprocessing
import pathlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict


@dataclasses.dataclass(frozen=True)
class Probed:
  """untrained: numbers of the first model before its first step, {} where it starts from another
  run. latencies: seconds a token of each, None where it does not write. device: what they are of.
  """

  untrained: dict[str, float]
  latencies: list[float | None]
  device: str


def probed(configs: Sequence[pathlib.Path], kept: pathlib.Path) -> Probed:
  """Measures once: what was found for these configs is read again from the file `kept`. A process
  of its own measures, as this one leaves devices alone; one that fails has measured nothing.
  """
  paths = [str(path) for path in configs]
  if kept.exists() and (said := json.loads(kept.read_text()))["of"] == paths:
    return Probed(said["untrained"], said["latencies"], said["device"])
  fresh = multiprocessing.get_context("spawn")
  with concurrent.futures.ProcessPoolExecutor(1, mp_context=fresh) as process:
    try:
      found = process.submit(_probed, paths).result()
    except Exception as error:  # such as a device that is full: the training is not lost for it
      print(f"not measured: {type(error).__name__}: {error}", flush=True)
      return Probed({}, [None] * len(paths), "no device")
  kept.write_text(json.dumps(dict(of=paths, **dataclasses.asdict(found)), indent=1) + "\n")
  return found


def _probed(paths: Sequence[str]) -> Probed:
  from seqlab import config, plugins, runtime

  runtime.configure()
  configs = [config.read(pathlib.Path(path)) for path in paths]
  plugins.load(dict.fromkeys(file for one in configs for file in one.plugins))
  import jax

  latencies = [_latency(one) for one in configs]
  return Probed(_untrained(configs[0]), latencies, jax.devices()[0].device_kind)


def _untrained(config: ConfigDict) -> dict[str, float]:
  import jax

  from seqlab import axes, build
  from seqlab.data.learned import learned_from
  from seqlab.prepare import data_of
  from seqlab.step import make_eval_step
  from seqlab.validation import validation

  if config.init.path:
    return {}
  data = data_of(config, tell=lambda line: None)
  learned, mesh = learned_from(data), axes.make_mesh(dict(data=1), jax.devices()[:1])
  objective = build.make_objective(config, learned)
  loader = build.make_loader(config, data)
  scales = build.width_scales(config, learned)
  optimizers = build.make_optimizers(config, objective, loader.steps_per_epoch, scales)
  with axes.use_mesh(mesh, build.table(config)):
    state = build.initial_state(config, objective, optimizers, loader, mesh, scales)
    validate = validation(config, objective, data, mesh, jax.jit(make_eval_step(objective)))
    return validate(state.make(config.seed))


def _latency(config: ConfigDict) -> float | None:
  """Seconds a token of one sequence in the second half of config.length, whose first is given: the
  median over dispatches.
  """
  import jax
  import numpy as np

  from seqlab import build
  from seqlab.data.learned import learned_from
  from seqlab.decode import Decoding, Draw
  from seqlab.prepare import data_of

  half = config.length // 2
  if build.called(config, "objective").name != "language_model" or half < 2:
    return None
  learned = learned_from(data_of(config, tell=lambda line: None))
  objective: Any = build.make_objective(config, learned)
  row = build.example(config, learned, 1)
  params = jax.jit(lambda: objective.init(jax.random.key(0), _zeros(row))["model"])()
  chunk = max(1, min(16, half // 4))
  ids = learned.tokenizer.vocab
  decoding = Decoding(objective.network, Draw(temperature=0.0), eot=-1, ids=ids, chunk=chunk)
  stamps = [time.perf_counter() for _ in decoding(params, [np.ones(half, np.int32)], half)]
  return statistics.median(b - a for a, b in itertools.pairwise(stamps)) / chunk


def _zeros(row: dict[str, Any]) -> dict[str, Any]:
  import jax.numpy as jnp

  return {name: jnp.zeros(x.shape, x.dtype) for name, x in row.items()}
