"""A model that is too large for one device is initialised in its parts."""

import math

import jax
import jax.numpy as jnp
import pytest

from seqlab import axes, build
from seqlab import config as configs
from seqlab.leaves import by_path
from seqlab.planning import counts, hlo
from seqlab.planning.program import known

DEVICES = 8


@pytest.mark.parametrize(
  "preset, billions, mesh",
  [
    ("llama3", 1.2, dict(data=1, fsdp=DEVICES)),
    pytest.param("llama2_7b", 6.7, dict(data=1, fsdp=4, tensor=2), marks=pytest.mark.slow),
  ],
)
def test_no_device_holds_a_whole_parameter_of_a_billion(preset, billions, mesh):
  """Compiled, not run. Every array of the program, those in between too, is at most a device's part
  of the largest leaf, nothing is sent, and beside the state there is less than another of it.
  """
  flags = [f"mesh.{axis}={size}" for axis, size in mesh.items()]
  config = configs.load(f"experiments/presets.py:{preset}", [*flags, "batch=8", "length=16"])
  learned = known(config)
  with axes.use_mesh(build.make_mesh(config)) as mesh:
    objective = build.make_objective(config, learned)
    optimizers = build.make_optimizers(config, objective, 1)
    shapes = build.example(config, learned, 1)
    row = {name: jnp.zeros(x.shape, x.dtype) for name, x in shapes.items()}
    initial = build.initial_state(config, objective, optimizers, lambda step: row, mesh)
    compiled = jax.jit(initial.make).lower(0).compile()
  leaves, where = by_path(initial.shapes), by_path(compiled.output_shardings)
  assert sum(x.size for x in jax.tree.leaves(initial.shapes["params"])) > billions * 1e9
  assert all(where[path].is_equivalent_to(x.sharding, x.ndim) for path, x in leaves.items())
  program, largest = hlo.read(compiled.as_text()), max(x.size for x in leaves.values())
  every = (one for inside in program.computations.values() for one in inside.values())
  made = max(math.prod(array.shape) for one in every for array in one.result)
  assert made <= largest / DEVICES
  assert not counts.collectives(program, DEVICES)
  whole = sum(x.size * x.dtype.itemsize for x in leaves.values())
  memory = compiled.memory_analysis()
  assert memory.output_size_in_bytes < 1.01 * whole / DEVICES
  assert memory.temp_size_in_bytes < whole / DEVICES
