"""Paths, reports and checksums of trees."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from seqlab import leaves


def total(x) -> int:
  return int(leaves.checksums({"x": jnp.asarray(x)})[0])


def test_paths_read_alike_for_every_container():
  tree = {"opt": optax.adamw(1e-3).init({"w_DF": jnp.ones((2, 3))}), "extra": {"n": None, "m": {}}}
  names = set(leaves.by_path(tree))
  assert {"opt/0/mu/w_DF", "opt/0/nu/w_DF", "opt/0/count"} == names
  assert leaves.by_path(leaves.nest(leaves.by_path(tree))).keys() == names


def test_a_slash_in_a_key_that_hides_a_leaf_is_refused():
  with pytest.raises(ValueError, match="share a path"):
    leaves.by_path({"a/b": jnp.ones(1), "a": {"b": jnp.ones(1)}})


def test_looks_round_trip():
  for dtype, shape in itertools.product(("float32", "bfloat16", "bool"), ((), (3,), (2, 0, 5))):
    look = leaves.looks(jax.ShapeDtypeStruct(shape, dtype))
    assert leaves.shape_of(look) == shape
    assert look.startswith(f"{dtype}[")


def test_report_names_a_few_and_counts_all():
  saved = {f"s{i}": "float32[2]" for i in range(7)} | {"a": "float32[2]", "b": "int32[]"}
  wanted = {"a": "float32[3]", "b": "int32[]", "c": "float32[]"}
  report = leaves.compare(saved, wanted)
  assert report and report.taken == ("b",)
  text = str(report)
  assert "1 missing (c)" in text
  assert "7 unexpected (s0, s1, s2, s3, s4, ...)" in text
  assert "a: float32[2] saved, float32[3] wanted" in text
  assert not leaves.compare(saved, dict(reversed(saved.items())))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_checksum_sees_every_single_bit(dtype):
  words = np.random.default_rng(0).integers(0, 2**8, 12).astype(dtype).reshape(3, 4)
  sums = {total(words)}
  for i, bit in itertools.product(range(12), range(words.itemsize * 8)):
    flipped = words.copy()
    flipped.flat[i] ^= np.array(1 << bit, dtype)
    sums.add(total(flipped))
  assert len(sums) == 1 + 12 * words.itemsize * 8


def test_checksum_sees_swaps_where_a_weighted_sum_does_not():
  x = np.zeros(2**15 + 1, np.float32)  # whole numbers end in zero bits, and so do far distances
  x[0] = 1.0
  swapped = np.roll(x, 2**15)
  words = [v.view(np.uint32).astype(np.uint64) for v in (x, swapped)]
  weights = 2 * np.arange(x.size, dtype=np.uint64) + 1
  assert len({int((w * weights).sum()) % 2**32 for w in words}) == 1
  assert total(x) != total(swapped)


@pytest.mark.parametrize(
  "dtype", ["float32", "bfloat16", "float16", "float8_e4m3fn", "int32", "int8", "int4", "bool"]
)
def test_checksum_covers_dtype(dtype):
  x = jnp.array([[0, 1, 0], [1, 1, 0]]).astype(dtype)
  assert total(x) != total(x.at[1, 2].set(x[0, 1]))
  assert total(x) != total(x[:, ::-1])


def test_checksum_covers_complex_and_random_keys():
  x = jnp.array([1 + 2j, 3 + 4j])
  assert len({total(v) for v in (x, x.conj(), x[::-1])}) == 3
  assert total(jax.random.key(1)) != total(jax.random.key(2))


def test_checksum_tells_zero_from_minus_zero():
  assert total(np.float32([0.0])) != total(np.float32([-0.0]))


@pytest.mark.parametrize("spec", [P("x", "y"), P(None, "x"), P(("x", "y")), P()])
def test_checksum_does_not_depend_on_sharding(spec):
  mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
  x = jax.random.normal(jax.random.key(0), (16, 8, 3))
  laid = jax.device_put(x, NamedSharding(mesh, spec))
  assert total(laid) == total(x)
