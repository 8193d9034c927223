"""The training step of a config, compiled for devices that need not be here."""

import math
import re
import types
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, build, model_flops
from seqlab.adapt import adaptations
from seqlab.data.array_sources import gives_arrays
from seqlab.data.learned import Learned, learned_from
from seqlab.errors import UserError
from seqlab.heads import WANTED
from seqlab.ops.backend import forced_backend
from seqlab.planning import counts, hlo
from seqlab.planning.estimate import Estimate
from seqlab.planning.machines import Machine
from seqlab.planning.step import Step
from seqlab.prepare import data_of
from seqlab.step import State, init_state, make_train_step


class DoesNotFit(Exception):
  """A device's memory is too small; in one line, for what. state: for the state alone."""

  def __init__(self, why: str, state: bool = False):
    super().__init__(why)
    self.state = state


class Planner:
  """Plans the step of one model on devices of one kind: on other meshes, with other remat.

  Raises:
    UserError: a run of adapters, whose base is in another run.
  """

  def __init__(self, config: ConfigDict, machine: Machine, devices: list[Any], platform: str):
    """platform: whose forms of ops run on the devices."""
    if adaptations(config.init.adapt).lora:
      raise UserError(f"config.init.adapt={config.init.adapt!r}: no plan of adapters; leave it out")
    if config.seeds > 1 or config.lrs:
      raise UserError("config.seeds, config.lrs: a plan is of one run; leave them out")
    self.machine, self.devices, self._platform = machine, devices, platform
    self._learned = known(config)
    unit = "examples" if gives_arrays(config.data.source) else "tokens"
    self._work = config.batch * (config.length if unit == "tokens" else 1), unit

  def plan(self, config: ConfigDict) -> Estimate:
    """Compiles the step of a config, unless its state alone is too large, and reads it.

    Raises:
      DoesNotFit: as it says.
      UserError: the mesh does not go with the devices.
    """
    mesh = axes.make_mesh(config.mesh, self.devices)
    with axes.use_mesh(mesh, build.table(config)), forced_backend(self._platform):
      step = self._compiled(config, mesh)
    return Estimate(step, self.machine, len(self.devices), *self._work)

  def _compiled(self, config: ConfigDict, mesh: Mesh) -> Step:
    objective = build.make_objective(config, self._learned)
    scales = build.width_scales(config, self._learned)
    optimizers = build.make_optimizers(config, objective, 1000, scales)
    batch = build.example(config, self._learned, config.batch)

    def fresh() -> State:
      row = {name: jnp.zeros((1, *x.shape[1:]), x.dtype) for name, x in batch.items()}
      key = jax.random.key(config.seed)
      return init_state(objective, optimizers, key, row, config.batch, config.ema)

    train_step = make_train_step(
      objective, optimizers, config.seed, accumulate=config.accumulate, ema=config.ema,
      skip_nonfinite=config.nonfinite == "skip",
    )  # fmt: skip
    shapes = jax.eval_shape(fresh)
    state, rows = axes.laid(shapes, mesh), axes.laid(batch, mesh)
    if (held := _bytes(state)) > self.machine.memory:
      raise DoesNotFit(f"the state alone takes {held / 1e9:.1f} GB", state=True)
    try:
      compiled = jax.jit(train_step, donate_argnums=0).lower(state, rows).compile()
    except jax.errors.JaxRuntimeError as error:
      raise _reason(error) from error
    memory, text = compiled.memory_analysis(), compiled.as_text()
    assert memory is not None and text is not None  # of every backend that is planned for
    program = hlo.read(text)
    beside = memory.output_size_in_bytes - memory.alias_size_in_bytes  # of what is donated
    made = Step(
      state=held,
      batch=_bytes(rows),
      temporary=memory.temp_size_in_bytes + max(beside, 0),
      products=counts.products(program),
      model_products=model_flops.of_step(objective, shapes, batch) / mesh.size,
      traffic=counts.traffic(program),
      collectives=counts.collectives(program, mesh.size),
      unknown=program.unknown(),
    )
    if made.memory > self.machine.memory:
      raise DoesNotFit(f"the step takes {made.memory / 1e9:.1f} GB")
    return made


def known(config: ConfigDict) -> Learned:
  """What a network learns of its data. Where the config says how many ids there are, nothing is
  read.
  """
  name = build.called(config, "objective").name
  if not config.model.vocab or name in (*WANTED, "answers"):
    return learned_from(data_of(config))
  text: Any = types.SimpleNamespace(
    vocab=config.model.vocab - build.added_ids(config), pad=0, eot=0
  )
  return Learned([], "", text)


def spread(config: ConfigDict, devices: Sequence[Any]) -> ConfigDict:
  """The config with as many microbatches as leave the devices along data and fsdp whole rows: its
  own `accumulate`, or the most below it.

  Raises:
    UserError: not even the whole batch is divided.
  """
  mesh = axes.make_mesh(config.mesh, list(devices)).shape
  ways = mesh["data"] * mesh["fsdp"]
  for parts in range(config.accumulate, 0, -1):
    if config.batch % (parts * ways) == 0:
      config = config.copy_and_resolve_references()
      config.accumulate = parts
      return config
  raise UserError(
    f"config.batch={config.batch}: the {ways} devices along data and fsdp do not divide it, as "
    f"they would {-(-config.batch // ways) * ways}"
  )


def _bytes(tree: Any) -> int:
  """Of one device's part of shapes with shardings."""
  return sum(
    math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree)
  )


def _reason(error: Exception) -> Exception:
  """What a failure to compile means: too little memory, or what it was."""
  if "RESOURCE_EXHAUSTED" not in str(error):
    return error
  found = re.search(r"Used ([\d.]+)([KMGT]) of", str(error))
  if not found:
    return DoesNotFit("the compiler finds no way")
  size = float(found.group(1)) * 1024 ** ("KMGT".index(found.group(2)) + 1)
  return DoesNotFit(f"the step takes {size / 1e9:.1f} GB")
