"""The runs of one program: one, or those of `config.seeds` and `config.lrs` under one vmap. Each is
an ordinary run with a folder of its own, and goes on alone or with the others.
"""

import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from rich.console import Console

from seqlab import axes, processes, programs
from seqlab import config as configs
from seqlab.adapt import adaptations
from seqlab.alerts import Alerts
from seqlab.checkpoint import Checkpoints
from seqlab.data.loader import Loader
from seqlab.dispatches import dispatches
from seqlab.errors import UserError
from seqlab.goodput import Spent
from seqlab.log import Log
from seqlab.metrics import Clock, Nowhere, Writer
from seqlab.objectives.base import Objective
from seqlab.pictures import write as write_pictures
from seqlab.pictures.curves import Curves
from seqlab.progress import Progress
from seqlab.step import State, many_steps
from seqlab.trackers import Tracker


@dataclasses.dataclass
class Member:
  """A run, from its folder, as the user calls it and as it is, to the state that it begins with
  after `start` steps.
  """

  config: ConfigDict
  where: str
  folder: pathlib.Path
  loader: Loader
  checkpoints: Checkpoints
  state: State
  start: int


class Records:
  """Where a member's numbers, pictures and states go while it trains. A context manager.

  validate, picture: of a state. base: what checkpoints leave out. console: where progress is said.
  spent: counts the time of these things.
  """

  def __init__(
    self,
    member: Member,
    objective: Objective,
    base: dict[str, Any],
    clock: Clock,
    console: Console | None,
    machine: dict[str, Any],
    validate: Callable[[State], dict[str, float]],
    picture: Callable[[State], dict[str, Any]],
    alerts: Alerts,
    spent: Spent,
  ):
    config = member.config
    self.member = member
    self.valid: dict[str, float] = {}  # what the last validation told, if the last step had one
    self._objective, self._base, self._clock = objective, base, clock
    self._validate, self._picture, self._spent = validate, picture, spent
    values = dict(configs.flat(config))
    self._metadata = dict(config=values, data=member.loader.fingerprint, machine=machine)
    writes = processes.first()
    to = config.log.to * writes
    others = [Tracker(service, member.folder, values, processes.tell) for service in to]
    where = member.folder, member.start, config.log.tensorboard, others
    self._writer = Writer(*where) if writes else Nowhere()
    self._curves = Curves(member.folder) if writes else None
    self._progress = Progress(config.steps, member.start, console)
    stop = config.nonfinite == "stop"
    self.log = Log(member.folder, self._writer, self._progress, clock, stop, alerts)

  def keep(self, step: int, state: State, validate: bool) -> None:
    """Validates the state, where that is due, and saves it.

    Raises:
      Diverged: a number of the training or of the validation is not finite.
    """
    self.log.flush()
    self.valid = self._validated(step, state) if validate else {}
    saved = {name: x for name, x in state["params"].items() if name not in self._base}
    ranked = self.valid if validate and self._objective.ranked else None
    with self._spent.on("saving"):
      self.member.checkpoints.save(step, {**state, "params": saved}, ranked, self._metadata)

  def _validated(self, step: int, state: State) -> dict[str, float]:
    with self._spent.on("evaluating"):
      with self._clock.paused():
        valid, pictures = self._validate(state), self._picture(state)
      self.log.evaluated(step, valid, self._objective.warning(valid))
      if self._curves:
        self._writer.write_images(step, write_pictures(self.member.folder, step, pictures))
        with self._clock.paused():
          self._curves.seldom()
    return valid

  def __enter__(self) -> "Records":
    with contextlib.ExitStack() as stack:
      for part in (self._writer, self._curves, self._progress):
        if part:
          stack.enter_context(part)
      self._open = stack.pop_all()
    return self

  def __exit__(self, *error: Any) -> None:
    with self._spent.on("saving"):
      self._open.__exit__(*error)


def runs_of(config: ConfigDict, workdir: str) -> list[tuple[ConfigDict, str]]:
  """The config and the folder of each run: WORKDIR, with /lrX for each of `config.lrs` and /seedN
  for each of several seeds.

  Raises:
    UserError: several runs by several processes or with adapters.
  """
  if config.seeds == 1 and not config.lrs:
    return [(config, workdir)]
  key = f"config.lrs={config.lrs}" if config.lrs else f"config.seeds={config.seeds}"
  if jax.process_count() > 1:
    raise UserError(
      f"{key}: runs in one program train on one device, and here are {jax.process_count()} "
      f"processes; leave it out"
    )
  if adaptations(config.init.adapt).lora:
    raise UserError(f"{key}: a run of adapters has a base of its own; leave it out")
  made = []
  for changes, under in programs.runs_of(config.seed, config.seeds, config.lr, config.lrs):
    own = config.copy_and_resolve_references()
    own.update(changes | dict(lrs=(), seeds=1))
    made.append((own, workdir + under))
  return made


def restored(checkpoints: Checkpoints, shapes: Any, loader: Loader) -> tuple[State, int] | None:
  """The newest good state and its step; None where there is none.

  shapes: of the state, with their shardings.

  Raises:
    UserError: it was trained on other data.
  """
  found = checkpoints.restore(shapes)
  if found is None:
    return None
  state, step, metadata = found
  if metadata["data"] != loader.fingerprint:
    raise UserError(
      "the data is not what this run began with (other source files, or another version of them); "
      "bring them back, or give another --workdir"
    )
  return state, step


def by_start(members: Sequence[Member]) -> Iterator[list[Member]]:
  """Those that train together: where one was stopped later than others, it waits for them."""
  ordered = sorted(members, key=lambda member: member.start)
  for _, group in itertools.groupby(ordered, key=lambda member: member.start):
    yield list(group)


class Together:
  """The members of a group as one: a state, a dispatch and batches. Of one member they are its own;
  of several each array has a leading axis over them.
  """

  def __init__(
    self, members: Sequence[Member], make_step: Callable[[Any, Any], Callable], mesh: Mesh
  ):
    """make_step: the training step of a seed and a learning rate."""
    self._members, self._mesh, self._alone = members, mesh, len(members) == 1
    if self._alone:
      of = many_steps(make_step(members[0].config.seed, members[0].config.lr))
      self.dispatch = jax.jit(of, donate_argnums=0)
      return
    seeds = np.array([member.config.seed for member in members], np.uint32)
    lrs = np.array([member.config.lr for member in members], np.float32)
    of = jax.vmap(lambda seed, lr, *given: many_steps(make_step(seed, lr))(*given))
    self.dispatch = jax.jit(lambda *given: of(seeds, lrs, *given), donate_argnums=0)
    self._split = jax.jit(lambda tree: [jax.tree.map(lambda x, i=i: x[i], tree)
                                        for i in range(len(members))])  # fmt: skip

  def begin(self) -> State:
    """The state of all; that of each member is let go."""
    states = [member.state for member in self._members]
    for member in self._members:
      member.state = {}
    return states[0] if self._alone else jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

  def apart(self, tree: Any) -> list[Any]:
    """What is each member's, of a state or of metrics."""
    return [tree] if self._alone else self._split(tree)

  @contextlib.contextmanager
  def batches(self) -> Iterator[Iterator[tuple[int, int, Any]]]:
    """(step before, step after, batches on the device) of each dispatch."""
    with contextlib.ExitStack() as stack:
      streams = [
        stack.enter_context(contextlib.closing(dispatches(m.config, m.loader, m.start)))
        for m in self._members
      ]
      yield (self._put(each) for each in zip(*streams, strict=True))

  def _put(self, each: Sequence[tuple[int, int, Any]]) -> tuple[int, int, Any]:
    before, step, first = each[0]
    if self._alone:
      return before, step, axes.put_batch(first, self._mesh, stacked=True)
    stacked = {name: np.stack([batch[name] for _, _, batch in each]) for name in first}
    return before, step, jax.device_put(stacked)
