"""`seqlab train`: the loop. The same command starts a run and goes on with one that was stopped.

The loop never waits for the device: metrics of a dispatch are read after the next one is under way,
batches are made on a thread, checkpoints are written in the background. Only an evaluation and the
moment before a checkpoint wait.
"""

import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from seqlab import axes, build, flops, runtime
from seqlab import config as configs
from seqlab.bases import begin, with_base
from seqlab.checkpoint import Checkpoints
from seqlab.data.arrays import Arrays
from seqlab.data.learned import learned_from
from seqlab.data.loader import Loader, prefetch
from seqlab.errors import UserError
from seqlab.folder import claim, describe, write_card
from seqlab.log import Diverged, Log
from seqlab.metrics import Clock, Writer
from seqlab.objectives.base import Objective
from seqlab.ops.backend import reference_forms
from seqlab.pictures import write as write_pictures
from seqlab.pictures.curves import Curves
from seqlab.prepare import data_of
from seqlab.progress import Progress
from seqlab.signals import signals
from seqlab.sizing import sized
from seqlab.step import State, make_train_step, many_steps
from seqlab.validation import picturing, validation

STOPPED, DIVERGED = 75, 77  # exit codes


def run(config: ConfigDict, workdir: str) -> int:
  """Trains to `config.steps` and returns the exit code: 0 done, 75 stopped by a signal after
  saving, 77 diverged.
  """
  config = sized(config)
  build.check(config)
  mesh = build.make_mesh(config)
  folder = claim(workdir, config)
  data = data_of(config)
  learned = learned_from(data)
  objective = build.make_objective(config, learned)
  build.check_classes(build.called(config, "objective").name, data, config.data.valid, print)
  loader = build.make_loader(config, data)
  scales = build.width_scales(config, learned)
  optimizers = build.make_optimizers(config, objective, loader.steps_per_epoch, scales)
  with contextlib.ExitStack() as stack:
    stack.enter_context(axes.use_mesh(mesh, build.table(config)))
    stopping = stack.enter_context(signals())
    checkpoints = stack.enter_context(
      Checkpoints(folder / "checkpoints", config.checkpoint.keep, config.checkpoint.best)
    )
    example = build.example(config, learned, 1)
    anew = checkpoints.latest is None
    objective, base = with_base(objective, config, example, folder, mesh, anew)
    initial = build.initial_state(config, objective, optimizers, loader, mesh, scales)
    state, start = restore(checkpoints, initial, loader) or (
      begin(config, objective, initial.make(), learned, base),
      0,
    )
    learns = sum(x.size for x in jax.tree.leaves(state["params"]))
    state["params"] |= base

    if start == config.steps:
      print(f"done already: {workdir} has its {start} steps", flush=True)
      return 0
    model = dict(
      parameters=sum(x.size for x in jax.tree.leaves(state["params"])),
      flops_per_step=flops_per_step(objective, state, loader),
      **({"learned": learns} if base else {}),
    )
    write_card(folder, config, data, mesh, model)
    steps = loader.steps_per_epoch
    print(describe(config, data, mesh, model, steps, build.is_stack(config)), flush=True)
    train_step = make_train_step(
      objective,
      optimizers,
      config.seed,
      accumulate=config.accumulate,
      ema=config.ema,
      skip_nonfinite=config.nonfinite == "skip",
    )
    dispatch = jax.jit(many_steps(train_step), donate_argnums=0)
    validate = validation(config, objective, data, mesh)
    picture = picturing(config, objective, data, mesh)
    metadata = dict(
      config=dict(configs.flat(config)), data=loader.fingerprint, machine=runtime.describe()
    )

    peak = flops.peak()
    tokens = {"tokens": config.batch * config.length}
    work = {"examples": config.batch} if isinstance(data, Arrays) else tokens
    clock = Clock(config.steps, work, model["flops_per_step"], peak and peak * mesh.size)
    writer = stack.enter_context(Writer(folder, start, config.log.tensorboard))
    curves = stack.enter_context(Curves(folder))
    progress = stack.enter_context(Progress(config.steps, start))
    log = Log(writer, progress, clock, config.nonfinite == "stop")
    profile = stack.enter_context(profiler(config.log.profile, config.inner_steps, folder))
    batches = stack.enter_context(contextlib.closing(dispatches(config, loader, start)))
    step, valid = start, None
    try:
      for before, step, batch in batches:  # a dispatch takes the run from `before` steps to `step`
        profile(step)
        state, metrics = dispatch(state, axes.put_batch(batch, mesh, stacked=True))
        due = functools.partial(passed, before, step, config.steps)
        log.dispatched(step, metrics, due(config.log.every))
        valid, stop = None, stopping()
        if due(config.evaluate.every):
          log.flush()
          with clock.paused():
            valid = validate(state)
            pictures = picture(state)
          log.evaluated(step, valid, objective.warning(valid))
          writer.write_images(step, write_pictures(folder, step, pictures))
          with clock.paused():
            curves.seldom()
        if due(config.checkpoint.every) or valid or stop:
          log.flush()
          checkpoints.save(step, own(state, base), valid if objective.ranked else None, metadata)
        if stop:
          break
      log.flush()
    except Diverged as failure:
      print(
        f"seqlab: {failure}; the last good checkpoint is of step {checkpoints.latest or 0}",
        file=sys.stderr,
      )
      return DIVERGED
    checkpoints.wait()
  if step < config.steps:
    print(
      f"stopped, saved at step {step} of {config.steps}; the same command goes on", file=sys.stderr
    )
    return STOPPED
  if valid:
    write_card(folder, config, data, mesh, model, valid)
  print(
    f"done: {workdir}" + "".join(f"  {name} {value:.4f}" for name, value in (valid or {}).items()),
    flush=True,
  )
  return 0


def restore(
  checkpoints: Checkpoints, initial: build.Initial, loader: Loader
) -> tuple[State, int] | None:
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


def own(state: State, base: dict[str, Any]) -> State:
  """What a checkpoint keeps of a state: all but the base."""
  params = {name: tree for name, tree in state["params"].items() if name not in base}
  return {**state, "params": params}


def flops_per_step(objective: Objective, state: State, loader: Loader) -> int:
  """Model FLOPs of a step: three times the forward products of every turn, as a backward pass has
  two for each of them.
  """
  batch = {
    k: jax.ShapeDtypeStruct((loader.batch, *v.shape[1:]), v.dtype) for k, v in loader(0).items()
  }
  extra = {k: v for k, v in state["extra"].items() if k != "ema"}
  with reference_forms():
    key = jax.random.key(0)
    return 3 * sum(
      flops.count(
        lambda p, b, player=player: objective.loss(player, p, b, key, extra)[0],
        state["params"],
        batch,
      ).products
      for player in objective.players
    )


def dispatches(
  config: ConfigDict, loader: Loader, start: int
) -> Generator[tuple[int, int, Any], None, None]:
  """(step before, step after, stacked batches) of each dispatch: `inner_steps` steps, fewer where
  an evaluation or a checkpoint is due sooner.
  """
  every = [n for n in (config.evaluate.every, config.checkpoint.every, config.steps) if n > 0]
  if start >= config.steps:
    return
  with prefetch(loader, start, config.steps, depth=2 * config.inner_steps) as stream:
    step = start
    while step < config.steps:
      until = min(config.inner_steps, config.steps - step, *(n - step % n for n in every))
      batches = [next(stream)[1] for _ in range(until)]
      step += until
      yield step - until, step, {name: np.stack([b[name] for b in batches]) for name in batches[0]}


def passed(before: int, step: int, end: int, every: int) -> bool:
  """Whether a multiple of `every` (0: none) lies after `before` and up to `step`, or the end is."""
  return step == end or (every > 0 and step // every > before // every)


@contextlib.contextmanager
def profiler(first: int, width: int, folder: pathlib.Path) -> Iterator[Callable[[int], None]]:
  """Yields what is told each step; from step `first` on (0: never) it traces three dispatches of
  `width` steps.
  """
  tracing = False

  def at(step: int) -> None:
    nonlocal tracing
    wanted = 0 < first <= step < first + 3 * width
    if wanted and not tracing:
      jax.profiler.start_trace(str(folder / "profile"))
    if tracing and not wanted:
      jax.profiler.stop_trace()
    tracing = wanted

  try:
    yield at
  finally:
    at(0)
