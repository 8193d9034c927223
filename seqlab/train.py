"""`seqlab train`: the loop. The same command starts a run and goes on with one that was stopped.

The loop never waits for the device: metrics of a dispatch are read after the next one is under way,
batches are made on a thread, checkpoints are written in the background. Only an evaluation and the
moment before a checkpoint wait.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict
from rich.console import Console

from seqlab import axes, build, flops, model_flops, processes, runtime, trackers
from seqlab.alerts import Alerts, Stall
from seqlab.bases import begin, with_base
from seqlab.checkpoint import Checkpoints
from seqlab.data.arrays import Arrays
from seqlab.data.learned import Known, learned_from
from seqlab.data.loader import Loader
from seqlab.dispatches import passed, profiler
from seqlab.exits import DIVERGED, STOPPED
from seqlab.folder import claim, describe, write_card
from seqlab.goodput import Spent
from seqlab.log import Diverged
from seqlab.members import Member, Records, Together, by_start, restored, runs_of
from seqlab.metrics import Clock
from seqlab.objectives.base import Objective
from seqlab.prepare import data_of
from seqlab.sizing import sized
from seqlab.step import Optimizers, State, make_eval_step, make_train_step
from seqlab.validation import picturing, validation


def run(config: ConfigDict, workdir: str, until: int = 0) -> int:
  """Trains to `config.steps` and returns the exit code: 0 done, 75 stopped after saving, by a
  signal or at the first dispatch that ends at step `until` (0 for none) or later, 77 diverged. Of
  several seeds or learning rates each has its run in a folder of WORKDIR. Where several processes
  are started on one run, each takes part in it.
  """
  began = time.time()
  with processes.joined():
    return _run(config, workdir, until, began)


def _run(config: ConfigDict, workdir: str, until: int, began: float) -> int:
  config = sized(config)
  build.check(config)
  trackers.check(config.log.to)
  runs = runs_of(config, workdir)
  mesh = build.make_mesh(config)
  folders = [claim(where, own) for own, where in runs]
  data = data_of(config, processes.tell)
  learned = learned_from(data)
  objective = build.make_objective(config, learned)
  build.check_classes(build.called(config, "objective").name, data, config.data.valid, print)
  loaders = [build.make_loader(own, data) for own, _ in runs]
  scales = build.width_scales(config, learned)
  make_optimizers = functools.partial(
    build.make_optimizers, config, objective, loaders[0].steps_per_epoch, scales
  )
  with contextlib.ExitStack() as stack:
    stack.enter_context(axes.use_mesh(mesh, build.table(config)))
    stopping = stack.enter_context(processes.stopping())
    kept = config.checkpoint.keep, config.checkpoint.best, config.checkpoint.metric
    stores = [stack.enter_context(Checkpoints(f / "checkpoints", *kept)) for f in folders]
    example = build.example(config, learned, 1)
    anew = stores[0].latest is None
    objective, base = with_base(objective, config, example, folders[0], mesh, anew)
    initial = build.initial_state(config, objective, make_optimizers(), loaders[0], mesh, scales)

    def opened(one: Member) -> Member:
      """A run at its newest checkpoint, or at its beginning."""
      if found := restored(one.checkpoints, initial.shapes, one.loader):
        return replace(one, state=found[0], start=found[1])
      fresh = initial.make(one.config.seed)
      return replace(one, state=begin(one.config, objective, fresh, learned, base), start=0)

    def short(one: Member) -> bool:
      """Whether a run is as far as it is to get, which is not its end."""
      return 0 < until <= one.start < config.steps

    members, early = [], False
    for (own, where), folder, loader, store in zip(runs, folders, loaders, stores, strict=True):
      member = opened(Member(own, where, folder, loader, store, state={}, start=0))
      if member.start == config.steps:
        print(f"done already: {where} has its {member.start} steps", flush=True)
      elif short(member):
        print(f"stopped already: {where} has {member.start} of {config.steps} steps", flush=True)
        early = True
      else:
        members.append(member)
    groups, diverged = [*by_start(members)], False
    while groups:
      group = groups.pop(0)
      try:
        code = train(group, data, objective, make_optimizers, base, mesh, stopping, until, began)
      except Diverged as failure:  # the others go on without it, from where they were saved
        diverged, began = True, time.time()
        others = [opened(one) for one in group if one.folder != failure.folder]
        early |= any(map(short, others))
        left = [one for one in others if one.start < config.steps and not short(one)]
        groups += by_start(left)
      else:
        if code and stopping():
          return code
        early |= bool(code)  # at `until`, to which the other groups are still to come
        began = time.time()
  return DIVERGED if diverged else STOPPED if early else 0


def train(
  members: list[Member],
  data: Known,
  objective: Objective,
  make_optimizers: Callable[..., Optimizers],
  base: dict[str, Any],
  mesh: Mesh,
  stopping: Callable[[], bool],
  until: int,
  began: float,
) -> int:
  """Takes runs that are at the same step to their end, or to step `until`, and returns the exit
  code. make_optimizers: of a learning rate. began: when their time began, in seconds since 1970.

  Raises:
    Diverged: one of them cannot go on, after saying so.
  """
  config = members[0].config
  learns = sum(x.size for x in jax.tree.leaves(members[0].state["params"]))
  for member in members:
    member.state["params"] |= base
  model = dict(
    parameters=sum(x.size for x in jax.tree.leaves(members[0].state["params"])),
    flops_per_step=flops_per_step(objective, members[0].state, members[0].loader),
    **({"learned": learns} if base else {}),
  )
  for member in members:
    write_card(member.folder, member.config, data, mesh, model)
  steps, stacked = members[0].loader.steps_per_epoch, build.is_stack(config)
  print(describe(config, data, mesh, model, steps, stacked), flush=True)
  if len(members) > 1:
    print(f"in one program: {', '.join(member.where for member in members)}", flush=True)

  def card(record: Records, valid: dict[str, float]) -> None:
    write_card(record.member.folder, record.member.config, data, mesh, model, valid)

  def finish(record: Records) -> None:
    card(record, record.valid)
    said = "".join(f"  {name} {value:.4f}" for name, value in record.valid.items())
    print(f"done: {record.member.where}{said}", flush=True)

  def make_step(seed: Any, lr: Any) -> Callable:
    return make_train_step(
      objective,
      make_optimizers(lr=lr),
      seed,
      accumulate=config.accumulate,
      ema=config.ema,
      skip_nonfinite=config.nonfinite == "skip",
    )

  together = Together(members, make_step, mesh)
  machine, writes = runtime.describe(), processes.first()
  clock = Clock(config.steps, *work_of(config, data, model, mesh), window=20 * len(members))
  alerts = [Alerts(m.folder, m.where, config.log.alert, processes.tell, writes) for m in members]
  folders = [member.folder for member in members] * writes
  with contextlib.ExitStack() as stack:
    watch = Stall(alerts[0].give).look
    spent = stack.enter_context(Spent(folders, members[0].start, began, watch))
    eval_step = jax.jit(make_eval_step(objective))
    records = []
    for number, member in enumerate(members):
      shown = Console(quiet=True, force_terminal=False) if number else None  # the first one speaks
      records.append(stack.enter_context(Records(
        member, objective, base, clock, shown, machine,
        validation(member.config, objective, data, mesh, eval_step),
        picturing(member.config, objective, data, mesh),
        alerts[number], spent,
      )))  # fmt: skip
    folder = members[0].folder
    profile = stack.enter_context(profiler(config.log.profile, config.inner_steps, folder))
    batches = stack.enter_context(together.batches())
    state, step = together.begin(), members[0].start
    try:
      # a dispatch takes the runs from `before` steps to `step`
      for before, step, batch in spent.waited(batches):
        profile(step)
        with spent.dispatching(step - before):
          state, metrics = together.dispatch(state, batch)
        spent.dispatched(step, metrics)
        due = functools.partial(passed, before, step, config.steps)
        for record, own in zip(records, together.apart(metrics), strict=True):
          record.log.dispatched(step, own, due(config.log.every))
        validate, stop = due(config.evaluate.every), stopping() or 0 < until <= step
        if validate or stop or due(config.checkpoint.every):
          for record in records:
            record.log.flush()  # before any is saved, so that all are at one step if one diverged
          for record, own in zip(records, together.apart(state), strict=True):
            record.keep(step, own, validate)
          spent.note(step)
        if stop:
          break
      for record in records:
        record.log.flush()
    except Diverged as failure:
      with spent.on("saving"):
        for member in members:
          member.checkpoints.wait()
      spent.note(step)
      (lost,) = (member for member in members if member.folder == failure.folder)
      of, latest = lost.where, lost.checkpoints.latest or 0
      processes.tell(f"seqlab: {of}: {failure}; the last good checkpoint is of step {latest}")
      for record in records:
        if record.member is lost:
          card(record, {})
        elif record.member.checkpoints.latest == config.steps:
          finish(record)
      raise
    with spent.on("saving"):
      for member in members:
        member.checkpoints.wait()
  asked = 0 < until <= step < config.steps
  spent.note(step, asked)
  if step < config.steps:
    for record in records:
      card(record, record.valid)
    again = "the same command" + " without --until" * asked
    processes.tell(f"stopped, saved at step {step} of {config.steps}; {again} goes on")
    return STOPPED
  for record in records:
    finish(record)
  return 0


def flops_per_step(objective: Objective, state: State, loader: Loader) -> int:
  """Model FLOPs of a step over all processes."""
  batch = {
    k: jax.ShapeDtypeStruct((loader.batch, *v.shape[1:]), v.dtype) for k, v in loader(0).items()
  }
  return model_flops.of_step(objective, state, batch)


def work_of(
  config: ConfigDict, data: Known, model: Mapping[str, Any], mesh: Mesh
) -> tuple[dict[str, int], int, float | None]:
  """What a step works off, its FLOPs, and the FLOP/s of all devices, None where unknown."""
  arrays, peak = isinstance(data, Arrays), flops.peak()
  tokens = {"tokens": config.batch * config.length}
  work = {"examples": config.batch} if arrays else tokens
  return work, model["flops_per_step"], peak and peak * mesh.size
