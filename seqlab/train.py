"""`seqlab train`: the loop. The same command starts a run and goes on with one that was stopped.

The loop never waits for the device: metrics of a dispatch are read after the next one is under way, batches are made
on a thread, checkpoints are written in the background. Only an evaluation and the moment before a checkpoint wait.
"""

import contextlib
import math
import pathlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, build, card, config as configs, flops, pretrained, runtime
from seqlab.checkpoint import Checkpoints
from seqlab.data.corpus import Corpus
from seqlab.data.loader import Loader, prefetch
from seqlab.errors import UserError
from seqlab.evaluate import evaluate, loader_of, report
from seqlab.metrics import Clock, Writer
from seqlab.objectives.base import Objective
from seqlab.ops.backend import reference_forms
from seqlab.prepare import prepare
from seqlab.progress import Progress
from seqlab.step import State, make_eval_step, make_train_step, many_steps

STOPPED, DIVERGED = 75, 77  # exit codes


class Diverged(Exception):
  """A loss or gradient that is not finite, with the step it was seen at."""


def run(config: ConfigDict, workdir: str) -> int:
  """Trains to `config.steps` and returns the exit code: 0 done, 75 stopped by a signal after saving, 77 diverged."""
  build.check(config)
  mesh = build.make_mesh(config)
  folder = claim(workdir, config)
  corpus = prepare(config.data.source, config.data.tokenizer, config.data.valid, config.data.store)
  objective = build.make_objective(config, corpus)
  loader = build.make_loader(config, corpus)
  optimizers, schedule = build.make_optimizers(config, objective, loader.steps_per_epoch)
  with axes.use_mesh(mesh, build.table(config)), Checkpoints(
    folder / "checkpoints", config.checkpoint.keep, config.checkpoint.best
  ) as checkpoints:
    initial = build.initial_state(config, objective, optimizers, loader, mesh)
    state, start = restore(checkpoints, initial, loader) or (begin(config, initial), 0)
    parameters = sum(x.size for x in jax.tree.leaves(state["params"]))
    print(describe(config, corpus, mesh, parameters, start, loader), flush=True)
    operations = flops_per_step(objective, state, loader)
    peak = flops.peak()
    clock = Clock(config.steps, config.batch * config.length, operations, peak and peak * mesh.size)
    jitted = jax.jit(
      many_steps(
        make_train_step(
          objective,
          optimizers,
          config.seed,
          accumulate=config.accumulate,
          ema=config.ema,
          skip_nonfinite=config.nonfinite == "skip",
        )
      ),
      donate_argnums=0,
    )
    validate = validation(config, objective, corpus, mesh)
    metadata = {"config": dict(configs.flat(config)), "data": loader.fingerprint, **runtime.versions()}
    with contextlib.ExitStack() as stack:
      writer = stack.enter_context(Writer(folder, start, tensorboard=config.log.tensorboard))
      progress = stack.enter_context(Progress(config.steps, start))
      stopping = stack.enter_context(signals())
      batches = stack.enter_context(contextlib.closing(dispatches(config, loader, start)))
      log = Log(writer, progress, clock, schedule, config.nonfinite == "stop")
      valid: dict[str, float] = {}
      saved = start
      try:
        for step, batch in batches:  # `step` is the one that this dispatch ends at
          with tracing(config, folder, step, start):
            state, metrics = jitted(state, axes.put_batch(batch, mesh, stacked=True))
          log.dispatched(step, metrics, due(step, config.log.every, config))
          if due(step, config.evaluate.every, config):
            log.flush()
            with clock.paused():
              valid = validate(state)
            log.evaluated(step, valid)
          if due(step, config.checkpoint.every, config) or stopping():
            log.flush()
            saved = save(checkpoints, step, state, valid, metadata)
          if stopping():
            break
        log.flush()
      except Diverged as failure:
        print(f"seqlab: {failure}; the last good checkpoint is that of step {saved}", file=sys.stderr)
        return DIVERGED
    checkpoints.wait()
    if saved < config.steps:
      print(f"stopped and saved at step {saved} of {config.steps}; the same command goes on", file=sys.stderr)
      return STOPPED
  card.write(folder, run_card(config, corpus, parameters, operations, valid))
  print(f"done: {workdir}" + "".join(f"  {k} {v:.4f}" for k, v in valid.items()), flush=True)
  return 0


# --- Before the first step -------------------------------------------------------------------------------


def claim(workdir: str, config: ConfigDict) -> pathlib.Path:
  """Makes the run's folder, or checks that the run in it has this config.

  Raises:
    UserError: the folder holds a run of another config (the keys that differ), or cannot be written.
  """
  folder = pathlib.Path(workdir)
  path = folder / "config.json"
  if path.is_file():
    if differs := configs.difference(configs.read(path), config):
      raise UserError(
        f"--workdir={workdir} holds a run of another config ({'; '.join(differs[:5])}); "
        f"give another folder, or the config it began with"
      )
  try:
    folder.mkdir(parents=True, exist_ok=True)
    configs.save(config, path)
  except OSError as error:
    raise UserError(f"--workdir={workdir}: cannot be written ({error.strerror})") from None
  return folder


def restore(checkpoints: Checkpoints, initial: build.Initial, loader: Loader) -> tuple[State, int] | None:
  """The newest good state and its step; None where there is none."""
  restored = checkpoints.restore(initial.shapes)
  if restored is None:
    return None
  state, step, metadata = restored
  if metadata["data"] != loader.fingerprint:
    raise UserError(
      "the data is not what this run began with (other source files, or another version of them); "
      "bring them back, or give another --workdir"
    )
  return state, step


def begin(config: ConfigDict, initial: build.Initial) -> State:
  """A fresh state, with parameters of another run where `config.init.path` names one."""
  state = initial.make()
  init = config.init
  if not init.path:
    return state
  source = "extra/ema/model" if pretrained_ema(init.path) else "params/model"
  which = "best" if pretrained.has_best(init.path) else "latest"
  params, result = pretrained.partial_restore(
    init.path, state["params"]["model"], init.keep, which=which, source=source
  )
  print(f"init: {len(result.taken)} leaves from {init.path}; {result}", flush=True)
  state["params"]["model"] = params
  if "ema" in state["extra"]:
    state["extra"]["ema"] = jax.tree.map(lambda x: x.copy(), state["params"])
  return state


def pretrained_ema(workdir: str) -> bool:
  """Whether the run kept an average of its parameters."""
  path = pathlib.Path(workdir) / "config.json"
  return path.is_file() and configs.read(path).ema > 0


def flops_per_step(objective: Objective, state: State, loader: Loader) -> int:
  """Model FLOPs of a step: three times the forward products, since a backward pass has two for each of them."""
  batch = {k: jax.ShapeDtypeStruct((loader.batch, *v.shape[1:]), v.dtype) for k, v in loader(0).items()}
  extra = {k: v for k, v in state["extra"].items() if k != "ema"}
  with reference_forms():
    forward = flops.count(lambda p, b: objective.loss(objective.players[-1], p, b, None, extra)[0], state["params"], batch)
  return 3 * forward.products


def describe(config: ConfigDict, corpus: Corpus, mesh: Mesh, parameters: int, start: int, loader: Loader) -> str:
  """What is about to run, in two lines."""
  size = corpus.size("train")
  where = " x ".join(f"{a}={n}" for a, n in mesh.shape.items() if n > 1) or "one device"
  return (
    f"model: {config.model.mixer}, width {config.model.width}, depth {config.model.depth}, {parameters:,} parameters; {where}\n"
    f"data: {size['tokens']:,} tokens, vocabulary {corpus.vocab:,}, {loader.steps_per_epoch:,} steps an epoch"
    + (f"; going on from step {start}" if start else "")
  )


# --- While it runs -----------------------------------------------------------------------------------------


def dispatches(config: ConfigDict, loader: Loader, start: int) -> Iterator[tuple[int, Any]]:
  """(step after it, stacked batches) of each dispatch: `inner_steps` steps, fewer where something is due sooner."""
  every = [n for n in (config.evaluate.every, config.checkpoint.every, config.steps) if n > 0]
  if start >= config.steps:
    return
  with prefetch(loader, start, config.steps, depth=2 * config.inner_steps) as stream:
    step = start
    while step < config.steps:
      until = min(config.inner_steps, config.steps - step, *(n - step % n for n in every))
      batches = [next(stream)[1] for _ in range(until)]
      step += until
      yield step, {name: np.stack([b[name] for b in batches]) for name in batches[0]}


def due(step: int, every: int, config: ConfigDict) -> bool:
  """Whether something done every so many steps (0: never but at the end) is due after `step`."""
  return step == config.steps or (every > 0 and step % every == 0)


def validation(config: ConfigDict, objective: Objective, corpus: Corpus, mesh: Mesh):
  """A function from the state to the metrics of the validation set."""
  loader = loader_of(config, corpus, "valid")
  eval_step = jax.jit(make_eval_step(objective))
  whole = not config.evaluate.batches or config.evaluate.batches >= loader.steps_per_epoch
  size = corpus.size("valid") if whole else None

  def validate(state: State) -> dict[str, float]:
    params = state["extra"].get("ema", state["params"])
    extra = objective.init_extra(config.batch)
    return report(evaluate(eval_step, params, loader, mesh, extra, config.evaluate.batches), size)

  return validate


def save(checkpoints: Checkpoints, step: int, state: State, valid: dict[str, float], metadata: dict) -> int:
  checkpoints.save(step, state, valid or None, metadata)
  return step


class Log:
  """Metrics of dispatches on the device until they are read, always one dispatch late."""

  def __init__(self, writer: Writer, progress: Progress, clock: Clock, schedule: Any, stop_nonfinite: bool):
    self._writer, self._progress, self._clock = writer, progress, clock
    self._schedule, self._stop = schedule, stop_nonfinite
    self._waiting: list[tuple[int, Any]] = []
    self._valid: dict[str, float] = {}

  def dispatched(self, step: int, metrics: Any, write: bool) -> None:
    """Notes a dispatch; where a line is due, writes what was dispatched before it."""
    if write and self._waiting:
      self._write()
    self._waiting.append((step, metrics))

  def flush(self) -> None:
    """Reads everything, which waits for the device."""
    if self._waiting:
      self._write()

  def evaluated(self, step: int, numbers: dict[str, float]) -> None:
    self._valid = numbers
    self._writer.write(step, {f"valid/{k}": v for k, v in numbers.items()})
    self._progress.evaluated(step, numbers)

  def _write(self) -> None:
    last = self._waiting[-1][0]
    read = jax.device_get([metrics for _, metrics in self._waiting])
    self._waiting = []
    sums = {name: (np.concatenate([m[name][0] for m in read]), np.concatenate([m[name][1] for m in read])) for name in read[0]}
    bad = ~np.isfinite(sums["loss"][0]) | ~np.isfinite(sums["grad_norm"][0])
    if self._stop and bad.any():
      at = last - len(bad) + int(np.argmax(bad)) + 1
      raise Diverged(f"step {at}: loss {sums['loss'][0][np.argmax(bad)]}, gradient norm {sums['grad_norm'][0][np.argmax(bad)]}")
    numbers = {name: float(t.sum() / max(w.sum(), 1e-9)) for name, (t, w) in sums.items()}
    self._clock.tick(last)
    numbers |= {"lr": float(self._schedule(last - 1)), **self._clock.rates()}
    self._writer.write(last, numbers)
    self._progress.update(last, numbers)


@contextlib.contextmanager
def signals() -> Iterator[Any]:
  """Yields a function that says whether SIGTERM or SIGINT has come; a second SIGINT ends at once."""
  caught: list[int] = []

  def note(number: int, frame: Any) -> None:
    caught.append(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)

  before = {n: signal.signal(n, note) for n in (signal.SIGTERM, signal.SIGINT)}
  try:
    yield lambda: bool(caught)
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
