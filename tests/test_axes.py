"""Names spell axes: letters of a path, where they go on a mesh, and what a tree's names shard."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from seqlab import axes
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.optim import OPTIMIZERS, make_optimizer


@pytest.fixture(autouse=True)
def unwarned(monkeypatch):
  """Warnings come once a process; here once a test."""
  monkeypatch.setattr(axes, "_warned", set())


def mesh_of(**sizes):
  return axes.make_mesh(sizes)


@pytest.mark.parametrize(
  ("path", "letters"),
  [
    ("q_DHK", "DHK"),
    ("layers_L/block0/mixer/q_DHK", "LDHK"),
    ("tail/block1/mlp_norm/scale_D", "D"),
    ("blocks_EL/w_DGF", "ELDGF"),
    ("mlp/in_DF", "DF"),
    ("q_bias_HK", "HK"),
    ("classes_bias_C", "C"),
    ("time", ""),
    ("mixer_norm", ""),  # a suffix in lower case is a word
    ("count_Q", ""),  # not in the alphabet
    ("q_DhK", ""),
    ("D", ""),  # a name, not a suffix
    ("_D", "D"),
    ("ends_", ""),
    ("", ""),
  ],
)
def test_letters_of_a_path(path, letters):
  assert axes.letters(path) == letters


@pytest.mark.parametrize(
  ("name", "summed"),
  [
    ("q_DHK", (0,)),
    ("layers_L/block0/mixer/q_DHK", (1,)),
    ("out_HKD", (0, 1)),
    ("layers_L/block0/mixer/out_HKD", (1, 2)),
    ("in_DF", (0,)),
    ("out_FD", (0,)),
    ("w_DGF", (0,)),
    ("recurrent_FGF", (0,)),
    ("recurrent_FF", (0,)),
    ("experts_LE/in_DF", (2,)),
    ("embed_VD", (0,)),
    ("scale_D", ()),
    ("layers_L/mixer/bias_GF", ()),
    ("q_bias_HK", ()),
    ("layers_L/block0/mixer_norm/scale_D", ()),
    ("time", ()),
  ],
)
def test_fan_in_is_what_a_product_sums(name, summed):
  assert axes.fan_in_axes(name) == summed


@pytest.mark.parametrize(
  ("sizes", "shape"),
  [
    ({"data": -1}, (8, 1, 1, 1, 1)),
    ({"data": 2, "fsdp": 2, "tensor": 2}, (2, 2, 2, 1, 1)),
    ({"data": -1, "tensor": 4}, (2, 1, 4, 1, 1)),
    ({"data": 8, "expert": -1}, (8, 1, 1, 1, 1)),
    ({"sequence": -1}, (1, 1, 1, 8, 1)),
  ],
)
def test_mesh_sizes_and_the_rest(sizes, shape):
  mesh = mesh_of(**sizes)
  assert mesh.axis_names == axes.MESH_AXES and mesh.devices.shape == shape
  assert sorted(d.id for d in mesh.devices.flat) == list(range(8))


@pytest.mark.parametrize(
  ("sizes", "said"),
  [
    ({"data": 3}, r"data=3 does not multiply to the 8 devices"),
    ({"data": -1, "tensor": 3}, r"tensor=3 does not multiply to the 8 devices"),
    ({"data": -1, "fsdp": -1}, "at most one is -1"),
    ({"data": 0}, "sizes are positive"),
    ({"data": 8, "tensro": 1}, "config.mesh.tensro.*did you mean 'tensor'"),
  ],
)
def test_a_mesh_that_cannot_be_is_one_line(sizes, said):
  with pytest.raises(UserError, match=said) as error:
    mesh_of(**sizes)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize(
  ("letters", "shape", "spec"),
  [
    ("DHK", (16, 4, 8), P("fsdp", "tensor", None)),
    ("HKD", (4, 8, 16), P("tensor", None, "fsdp")),
    ("BTD", (8, 12, 16), P(("data", "fsdp"), None, None)),  # B has spent fsdp
    ("VD", (32, 16), P("tensor", "fsdp")),
    ("FF", (16, 16), P("tensor", None)),  # a mesh axis is spent once
    ("FGF", (16, 3, 16), P("tensor", None, None)),
    ("LDF", (6, 16, 16), P(None, "fsdp", "tensor")),
    ("B.", (8, 5), P(("data", "fsdp"), None)),
    ("", (), P()),
  ],
)
def test_partition(letters, shape, spec, caplog):
  assert axes.partition(letters, shape, mesh_of(data=2, fsdp=2, tensor=2)) == spec
  assert not caplog.records


def test_partition_leaves_whole_what_an_absent_mesh_axis_would_cut():
  assert axes.partition("DHK", (16, 4, 8), mesh_of(data=-1)) == P(None, None, None)


def test_what_does_not_divide_stays_whole_with_one_warning_that_names_it(caplog):
  mesh = mesh_of(data=2, tensor=4)
  with caplog.at_level(logging.WARNING, "seqlab"):
    for name in ("layers_L/mixer/q_DHK", "layers_L/mixer/k_DHK"):
      assert axes.partition("LDHK", (2, 16, 6, 8), mesh, name) == P(None, None, None, None)
  (record,) = caplog.records
  said = record.getMessage()
  assert "axis H of layers_L/mixer/q_DHK has size 6" in said and "tensor = 4" in said
  with caplog.at_level(logging.WARNING, "seqlab"):  # another size is another warning
    axes.partition("DHK", (16, 7, 8), mesh)
  assert len(caplog.records) == 2


def test_an_axis_of_size_one_stays_whole_without_a_word(caplog):
  assert axes.partition("BTD", (1, 1, 16), mesh_of(data=2, fsdp=4)) == P(None, None, "fsdp")
  assert not caplog.records


def test_a_letter_that_stays_whole_leaves_the_mesh_axis_to_the_next():
  assert axes.partition("FF", (6, 16), mesh_of(data=2, tensor=4)) == P(None, "tensor")


def test_a_table_of_ones_own_holds_inside_use_mesh_and_no_longer():
  mesh = mesh_of(data=2, tensor=4)
  with axes.use_mesh(mesh, {"K": "tensor", "H": ()}):
    assert axes.partition("DHK", (16, 4, 8), mesh) == P(None, None, "tensor")
  assert axes.partition("DHK", (16, 4, 8), mesh) == P(None, "tensor", None)


@pytest.fixture(scope="module")
def params():
  layers = tuple(Layer(MIXERS[name](), Plain(ratio=2)) for name in MIXERS)
  network = Network(Decoder(vocab=16, width=16, depth=len(layers) + 1, layers=layers))
  tokens = jnp.zeros((1, 4), jnp.int32)
  return jax.eval_shape(lambda: network.init(jax.random.key(0), tokens, tokens))


def spec_of(tree, mesh):
  return {path: s.spec for path, s in by_path(axes.sharding(tree, mesh)).items()}


def test_every_parameter_is_sharded_as_its_name_says(params):
  mesh = mesh_of(data=2, fsdp=2, tensor=2)
  specs = spec_of(params, mesh)
  assert specs["embed_VD"] == P("tensor", "fsdp")
  assert specs["final_norm/scale_D"] == P("fsdp")
  assert specs["stack/layers_L/block0/mixer/q_DHK"] == P(None, "fsdp", "tensor", None)
  assert specs["stack/layers_L/block0/mixer/out_HKD"] == P(None, "tensor", None, "fsdp")
  assert specs["stack/tail/block0/mlp/in_DF"] == P("fsdp", "tensor")
  for path, leaf in by_path(params).items():
    assert len(axes.letters(path)) == leaf.ndim, f"{path} has shape {leaf.shape}"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_state_lies_as_the_parameters_do(optimizer, params):
  mesh = mesh_of(data=2, fsdp=2, tensor=2)
  state = jax.eval_shape(
    make_optimizer(f"{optimizer}()", lambda step: 1e-3, clip=1.0, decay=0.1).init, params
  )
  of_params = spec_of(params, mesh)
  moments = 0
  for path, spec in spec_of(state, mesh).items():
    leaf = by_path(state)[path]
    same = [
      p for p in of_params if path.endswith(f"/{p}") and by_path(params)[p].shape == leaf.shape
    ]
    if same:
      moments += 1
      assert spec == of_params[same[0]], path
  assert moments >= {"adamw": 2, "lion": 1, "muon": 1, "adadelta": 2, "adafactor": 0, "sgd": 0}[
    optimizer
  ] * len(of_params)


def test_a_leaf_without_letters_is_replicated():
  tree = {"count": jnp.zeros((8, 8)), "h_BF": jnp.zeros((8, 8)), "q_DHK": jnp.zeros((4,))}
  specs = spec_of(tree, mesh_of(data=2, fsdp=2, tensor=2))
  assert specs == {"count": P(), "h_BF": P(("data", "fsdp"), "tensor"), "q_DHK": P()}


def test_a_batch_lies_over_the_devices_and_steps_stay_whole():
  mesh = mesh_of(data=4, tensor=2)
  rows = {"tokens_BT": np.arange(32, dtype=np.int32).reshape(8, 4), "weight_B": np.ones(8)}
  batch = axes.put_batch(rows, mesh)
  assert batch["tokens_BT"].sharding.spec == P("data", None)
  assert batch["tokens_BT"].addressable_shards[0].data.shape == (2, 4)
  np.testing.assert_array_equal(batch["tokens_BT"], rows["tokens_BT"])
  stacked = axes.put_batch({"tokens_BT": np.zeros((3, 8, 4), np.int32)}, mesh, stacked=True)
  assert stacked["tokens_BT"].sharding.spec == P(None, "data", None)


def test_constrain_without_a_mesh_is_the_identity():
  x = jnp.ones((8, 4))
  assert axes.constrain(x, "BD") is x
  assert "sharding_constraint" not in str(jax.make_jaxpr(lambda x: axes.constrain(x, "BD"))(x))


def test_constrain_pins_an_activation_on_a_mesh():
  mesh = mesh_of(data=4, tensor=2)
  with axes.use_mesh(mesh):
    y = jax.jit(lambda x: axes.constrain(x, "BTF"))(jnp.ones((8, 4, 6)))
  assert y.sharding.spec == P("data", None, "tensor")
  with axes.use_mesh(axes.make_mesh({}, jax.devices()[:1])):
    assert axes.constrain(y, "BTF") is y  # one device: nothing to pin
