"""Ops under a mesh of eight devices: the same values and gradients, and no gather of what is
sharded."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from seqlab.ops.convolution import convolution_1d
from seqlab.ops.cross_entropy import chunked_cross_entropy
from seqlab.ops.dense import dense
from seqlab.ops.linear_recurrence import linear_recurrence
from seqlab.ops.lstm import lstm
from seqlab.planning import counts, hlo

P = PartitionSpec
LABELS = np.random.default_rng(0).integers(0, 16, (4, 8)).astype(np.int32)


def _mesh(*shape):
  return jax.make_mesh(shape, ("data", "sequence"), axis_types=(AxisType.Auto,) * 2)


def _loss(x, head):
  return chunked_cross_entropy(x, head, LABELS, np.ones((4, 8), np.float32), z_loss=0.1, chunk=3)[0]


def _lstm(x, w):
  zeros = jnp.zeros((4, 6))
  return jnp.sum(lstm(x.reshape(4, 8, 4, 6), w, jnp.zeros((4, 8), bool), zeros, zeros)[0] ** 2)


def _convolution(x, w):
  return jnp.sum(convolution_1d(x, w, dilation=2, before=2, after=2) ** 2)


CASES = {
  "convolution 1d": (_convolution, (4, 8, 6), (3, 6, 4)),
  "dense": (lambda x, w: jnp.sum(dense(x, w) ** 2), (4, 8, 6), (6, 3, 2)),
  "cross entropy": (_loss, (4, 8, 6), (16, 6)),
  "recurrence": (lambda a, b: jnp.sum(linear_recurrence(a, b, b[:, 0]) ** 2), (4, 8, 6), (4, 8, 6)),
  "lstm": (_lstm, (4, 8, 24), (6, 4, 6)),
}


@pytest.mark.parametrize("name", CASES)
def test_same_on_a_mesh(name):
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  op, *shapes = CASES[name]
  random = np.random.default_rng(1)
  x, y = (jnp.asarray(random.normal(size=s) * 0.5, jnp.float32) for s in shapes)
  gradients = jax.jit(jax.value_and_grad(op, (0, 1)))
  want = gradients(x, y)
  mesh = _mesh(2, 4)
  spread = jax.device_put(x, NamedSharding(mesh, P("data", "sequence")))
  got = gradients(spread, jax.device_put(y, NamedSharding(mesh, P())))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, want)


@pytest.mark.parametrize("form", ["sequential", "associative"])
def test_parts_of_a_recurrence_tell_each_other_two_numbers_a_channel(form):
  """Of complex numbers, with resets and a first state; what is sent is as much for any length."""
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  draw, sent, mesh = np.random.default_rng(2), [], _mesh(2, 4)

  def found(a, b, h, dy, axis):
    recur = functools.partial(linear_recurrence, form=form, axis=axis)
    y, back = jax.vjp(recur, a, b, h)
    return y, *back(dy)

  for length in (8, 64):
    a, b, dy = draw.normal(size=(3, 4, length, 6)) + 1j * draw.normal(size=(3, 4, length, 6))
    a = np.where(draw.random((4, length, 1)) < 0.1, 0, a / abs(a) * 0.9)
    given = [jnp.asarray(x, jnp.complex64) for x in (a, b, b[:, 0], dy)]

    wanted = jax.jit(lambda *given: found(*given, None))(*given)
    time = NamedSharding(mesh, P("data", "sequence"))
    given = jax.device_put(given, [time, time, NamedSharding(mesh, P("data")), time])
    with jax.set_mesh(mesh):
      compiled = jax.jit(lambda *given: found(*given, "sequence")).lower(*given).compile()
    for got, want in zip(compiled(*given), wanted, strict=True):
      np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    gathered = counts.collectives(hlo.read(compiled.as_text()), 8)
    sent.append({one.kind: one.size for one in gathered if one.kind != "collective-permute"})
  assert sent[0] == sent[1] and set(sent[0]) == {"all-gather", "all-reduce"}


def test_a_recurrence_runs_on_one_mesh_after_another():
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  x_BTF, found = jnp.ones((4, 16, 3)), []
  for mesh in (_mesh(2, 4), _mesh(4, 2)):
    with jax.set_mesh(mesh):
      run = functools.partial(linear_recurrence, form="sequential", axis="sequence")
      found.append(jax.jit(run)(x_BTF / 2, x_BTF, x_BTF[:, 0]))
  np.testing.assert_allclose(*found, rtol=1e-6)


def test_dense_gathers_nothing():
  """Forward and backward of sharded rows need one sum of the weight gradient and no gather."""
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  mesh = _mesh(2, 4)
  x = jax.ShapeDtypeStruct(
    (4, 8, 6), jnp.float32, sharding=NamedSharding(mesh, P("data", "sequence"))
  )
  w = jax.ShapeDtypeStruct((6, 5), jnp.float32, sharding=NamedSharding(mesh, P()))
  step = jax.jit(jax.grad(lambda x, w: jnp.sum(dense(x, w) ** 2), (0, 1)))
  text = step.lower(x, w).compile().as_text()
  assert "all-gather" not in text and "all-to-all" not in text
  assert "all-reduce" in text
