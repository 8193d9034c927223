"""What a plan reads off a compiled program: products, collectives and bytes, loops counted as often
as they run; and the command.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import here, seqlab
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from seqlab import config as configs
from seqlab import flops
from seqlab.errors import UserError
from seqlab.nn.mixers import MIXERS
from seqlab.planning import counts, hlo, machines
from seqlab.planning.program import DoesNotFit, Planner, spread

GOLDEN = pathlib.Path(__file__).parent / "golden/collectives.json"
SMALL = [
  "batch=32", "length=16", "model.width=32", "model.depth=3", "model.vocab=64", "model.unroll=1",
  "model.mixer=attention(heads=4)", "model.mlp=gated()", "model.tied=False",
]  # fmt: skip
DEVICES = 8


def program(fn, *of, **options):
  shapes = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in of)
  return hlo.read(jax.jit(fn, **options).lower(*shapes).compile().as_text())


def looped(x, w):
  """Seven products, each of which reads its own matrix of a stack."""
  return lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]


@pytest.mark.parametrize(
  "fn, shapes",
  [
    (jnp.matmul, [(8, 16), (16, 32)]),
    (lambda x, y: jnp.einsum("bhik,bhjk->bhij", x, y), [(2, 3, 8, 4), (2, 3, 5, 4)]),
    (looped, [(8, 16), (7, 16, 16)]),
    (lambda x, w: lax.conv_general_dilated(x, w, (2, 2), "VALID"), [(2, 3, 17, 17), (5, 3, 3, 3)]),
  ],
  ids=["product", "batches", "loop", "convolution"],
)
def test_products_are_those_of_the_jaxpr(fn, shapes):
  wanted = flops.count(fn, *(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes)).products
  assert counts.products(program(fn, *shapes)) == wanted


CONVOLUTION = """
ENTRY %main (x: f32[6,8,4], w: f32[6,5,4]) -> f32[6,8,5] {
  %x = f32[6,8,4]{2,1,0} parameter(0)
  %w = f32[6,5,4]{2,1,0} parameter(1)
  ROOT %y = f32[6,8,5]{2,1,0} convolution(%x, %w), window={size=6 stride=5 lhs_dilate=6}, dim_labels=0bf_0oi->0bf
}
"""  # noqa: E501


def test_a_batch_of_products_as_a_convolution_counts_what_meets():
  """A compiler for TPUs writes them so: of the window all but one place falls into holes."""
  assert counts.products(hlo.read(CONVOLUTION)) == 2 * 6 * 8 * 4 * 5


def test_a_loop_reads_a_stack_once():
  x, w = (64, 256), (7, 256, 256)
  moved = counts.traffic(program(looped, x, w))
  stack, row = 4 * np.prod(w), 4 * np.prod(x)
  assert stack < moved < 3 * stack + 7 * 10 * row, "not the whole stack in each of seven turns"


FUSED = """
%fused (p0: f32[8,4], p1: s32[]) -> f32[1,4] {
  %p0 = f32[8,4]{1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %zero = s32[] constant(0)
  %cut = f32[1,4]{1,0} dynamic-slice(%p0, %p1, %zero), dynamic_slice_sizes={1,4}
  ROOT %negated = f32[1,4]{1,0} negate(%cut)
}

ENTRY %main (x: f32[8,4], n: s32[]) -> f32[1,4] {
  %x = f32[8,4]{1,0} parameter(0)
  %n = s32[] parameter(1)
  %started = ((f32[8,4]{1,0}), f32[1,4]{1,0:S(1)}, s32[]) slice-start(%x), slice={[0:1], [0:4]}
  %done = f32[1,4]{1,0:S(1)} slice-done(%started)
  %room = f32[8,4]{1,0} custom-call(), custom_call_target="AllocateBuffer"
  ROOT %fusion = f32[1,4]{1,0} fusion(%x, %n), kind=kLoop, calls=%fused
}
"""


def test_of_what_is_cut_from_the_cut_alone_is_read():
  """Twice here, once by the fusion, which reads the cut's number too and writes what it makes; what
  is made on the chip is not written, nor is room that is reserved.
  """
  assert counts.traffic(hlo.read(FUSED)) == 16 + 16 + 4 + 16


def test_collectives_in_a_loop_count_as_often_as_it_runs():
  mesh = Mesh(np.array(jax.devices()).reshape(2, 4), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
  by = NamedSharding(mesh, P(None, "b"))

  def fn(x, w):
    def turn(x, w):
      return lax.with_sharding_constraint(x @ w, by), None

    return lax.scan(turn, x, w)[0]

  rows = NamedSharding(mesh, P(None, "b", None))
  shapes = [
    jax.ShapeDtypeStruct((16, 32), jnp.float32, sharding=by),
    jax.ShapeDtypeStruct((5, 32, 32), jnp.float32, sharding=rows),
  ]
  compiled = hlo.read(jax.jit(fn).lower(*shapes).compile().as_text())
  (one,) = counts.collectives(compiled, DEVICES)
  if one.kind == "all-reduce":  # of the whole sum, of which each device keeps a part
    assert (one.group, one.count, one.size) == (4, 5, 5 * 16 * 32 * 4)
    assert one.sent == 2 * one.size * 3 // 4
  else:
    assert (one.kind, one.group, one.count) == ("reduce-scatter", 4, 5)


SPREAD = """
%all-reduce-scatter.1 (p: f32[8,4]) -> f32[2,4] {
  %p = f32[8,4]{1,0} parameter(0)
  %sum = f32[8,4]{1,0} all-reduce(%p), channel_id=1, replica_groups={{0,1,2,3}}, to_apply=%add
  %zero = s32[] constant(0)
  ROOT %cut = f32[2,4]{1,0} dynamic-slice(%sum, %zero, %zero), dynamic_slice_sizes={2,4}
}

%begun (q: f32[2,4]) -> f32[8,4] {
  %q = f32[2,4]{1,0} parameter(0)
  ROOT %whole = f32[8,4]{1,0} all-gather(%q), channel_id=2, replica_groups={{0,1,2,3}}, dimensions={0}
}

%beside (q.1: f32[2,4]) -> f32[8,4] {
  %q.1 = f32[2,4]{1,0} parameter(0)
  ROOT %whole.1 = f32[8,4]{1,0} all-gather(%q.1), channel_id=2, replica_groups={{0,1,2,3}}, dimensions={0}
}

ENTRY %main (x: f32[8,4]) -> f32[8,4] {
  %x = f32[8,4]{1,0} parameter(0)
  %part = f32[2,4]{1,0} fusion(%x), kind=kCustom, calls=%all-reduce-scatter.1
  %start = f32[8,4]{1,0} fusion(%part), kind=kCustom, calls=%begun
  ROOT %end = f32[8,4]{1,0} fusion(%part), kind=kCustom, calls=%beside
}
"""  # noqa: E501


def test_collectives_of_a_tpu_are_found_in_its_fusions_each_once():
  """A reduce-scatter is a fusion of that name; a gather beside other work is in several fusions."""
  found = {one.kind: one for one in counts.collectives(hlo.read(SPREAD), 4)}
  assert found["reduce-scatter"].size == 2 * 4 * 4 and found["reduce-scatter"].sent == 3 * 32
  assert found["all-gather"].count == 1 and found["all-gather"].sent == 3 * 32
  assert len(found) == 2


@pytest.mark.parametrize(
  "text, wanted",
  {
    "replica_groups={{0,1,2,3},{4,5,6,7}}, use_global_device_ids=true": 4,
    "replica_groups=[4,2]<=[8], dimensions={0}": 2,
    "replica_groups=[2,4]<=[4,2]T(1,0)": 4,
    "replica_groups=mesh['x'=2,'y'=4,'z'=1] {'y','z'}, to_apply=%add": 4,
    "replica_groups=mesh['x'=4,'y'=2], device_ids=([2,4]T(1,0)) {'x'}, to_apply=%add": 4,
    "replica_groups={}, to_apply=%add": 8,
  }.items(),
)
def test_groups_are_read_in_each_way_they_are_written(text, wanted):
  assert counts.group_of(text, 8) == wanted


def planner(*more):
  config = configs.load("", [*SMALL, *more])
  return config, Planner(config, machines.MACHINES["h100"], jax.devices(), "cpu")


MESHES = dict(
  data=["mesh.data=8"],
  fsdp=["mesh.data=1", "mesh.fsdp=8"],
  tensor=["mesh.data=2", "mesh.tensor=4"],
  both=["mesh.data=1", "mesh.fsdp=4", "mesh.tensor=2"],
  sequence=["mesh.data=2", "mesh.sequence=4"],
)


@pytest.fixture(scope="module")
def steps():
  """A step on each mesh."""

  def step(name):
    config, plan = planner(*MESHES[name])
    return plan.plan(config).step

  return {name: step(name) for name in MESHES}


def test_a_step_has_the_collectives_that_it_had(steps, request):
  """An all-gather that was not there before is a sharding that was lost. `scripts/test --golden -k
  collectives_that` writes the file anew.
  """
  found = {"jax": jax.__version__}
  for name, step in steps.items():
    kinds = found[name] = {}
    for one in step.collectives:
      count, size = kinds.get(one.kind, (0, 0))
      kinds[one.kind] = [count + one.count, size + one.size]
  if request.config.getoption("--golden"):
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
  golden = json.loads(GOLDEN.read_text())
  if golden["jax"] != jax.__version__:
    pytest.skip(f"golden collectives are of jax {golden['jax']}, this is {jax.__version__}")
  assert found == golden


def test_parameters_that_are_shared_out_are_gathered_and_take_less(steps):
  of = {name: steps[name] for name in ("data", "fsdp")}
  kinds = {name: {one.kind for one in step.collectives} for name, step in of.items()}
  assert "all-gather" not in kinds["data"] and "all-gather" in kinds["fsdp"]
  assert of["fsdp"].state < 0.2 * of["data"].state
  assert of["data"].products == of["fsdp"].products
  assert of["data"].model_products == pytest.approx(of["data"].products, rel=0.1)


def test_a_sequence_that_is_shared_out_is_nowhere_whole(steps):
  kinds = {one.kind for one in steps["sequence"].collectives}
  assert kinds == {"collective-permute", "all-reduce"}


@pytest.mark.parametrize(
  "mixer",
  [
    name if name == "rwkv4" else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(MIXERS)
  ],
)
def test_gradients_of_rows_are_summed_once(mixer):
  """And not in each step of a recurrence: what all rows share would have its gradient there."""
  config, plan = planner(f"model.mixer={mixer}()", *MESHES["data"])
  (sums,) = plan.plan(config).step.collectives
  assert sums.kind == "all-reduce" and sums.count < 16


def test_microbatches_send_no_more_than_as_many_steps(steps):
  """Each sums its gradients over the devices, as what is summed up is laid out as parameters are:
  four send what four steps would, nothing beside it.
  """
  config, plan = planner("accumulate=4", *MESHES["data"])
  (one,), (four,) = (step.collectives for step in (steps["data"], plan.plan(config).step))
  assert one.kind == four.kind == "all-reduce" and one.size < four.size <= 4 * one.size


def test_remat_computes_more():
  products = {}
  for remat in ("none", "full"):
    config, plan = planner(f"model.remat={remat}")
    products[remat] = plan.plan(config).step.products
  assert 1.15 < products["full"] / products["none"] < 1.4


def test_what_is_too_large_does_not_fit():
  config, plan = planner()
  plan.machine = machines.Machine("NVIDIA H100", 1e5, 1e12, 1e11)
  with pytest.raises(DoesNotFit, match="the state alone takes"):
    plan.plan(config)


def test_microbatches_are_as_many_as_the_mesh_allows():
  config = configs.load("", ["batch=8", "accumulate=2", "mesh.fsdp=2"])
  assert spread(config, jax.devices()[:4]).accumulate == 2
  assert spread(config, jax.devices()).accumulate == 1
  with pytest.raises(UserError, match="as they would 16"):
    spread(configs.load("", ["batch=12"]), jax.devices())


def test_the_command_prints_a_plan_and_ranks_what_fits():
  flags = [f"--config.{flag}" for flag in [*SMALL, "accumulate=8"]]
  said = seqlab("plan", *flags, "--topology=h100:8", "--price=2.5")
  for words in ("8 x NVIDIA H100", "data=8", "the config's 8", "all-reduce", "MFU", "dollars"):
    assert words in said
  said = seqlab("plan", *flags, "--topology=h100:2", "--search")
  assert said.count("--config.mesh.fsdp=2") == 1 and "quickest first" in said


@pytest.mark.parametrize(
  "topology, said",
  {
    "v5f:4x4": "did you mean 'v5p'",
    "h100": "MACHINE:SHAPE",
    "h100:64": "at most 8 GPUs",
  }.items(),
)
def test_mistakes_are_one_line(topology, said):
  flags = [f"--config.{flag}" for flag in SMALL]
  told = here("plan", *flags, f"--topology={topology}", code=2)
  assert told.count("\n") == 1 and said in told


def test_a_tpu_is_compiled_for_where_its_compiler_is():
  pytest.importorskip("libtpu", reason='pip install "jax[tpu]" brings the compiler')
  flags = [f"--config.{flag}" for flag in SMALL]
  said = seqlab("plan", *flags, "--topology=v5e:2x2")
  assert "4 x TPU v5e" in said and "all-reduce" in said and "simulated" not in said
