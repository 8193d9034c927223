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
from seqlab.ops.delta_rule import delta_rule
from seqlab.ops.dense import dense
from seqlab.ops.fixed_scan import fixed_scan
from seqlab.ops.linear_attention import linear_attention
from seqlab.ops.linear_recurrence import linear_recurrence
from seqlab.ops.lstm import lstm
from seqlab.ops.mlstm import mlstm
from seqlab.ops.selective_scan import selective_scan
from seqlab.ops.short_convolution import short_convolution
from seqlab.ops.weighted_delta import weighted_delta
from seqlab.ops.wkv import wkv
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


def _drawing(seed):
  """Draws arrays, each anew: what is exchanged on the way must not be equal."""
  random = np.random.default_rng(seed)
  return lambda shape, low=-1.0, high=1.0: jnp.asarray(random.uniform(low, high, shape))


def _of_heads(length, *widths):
  """Of each width an array [B, H, T, width], drawn apart."""
  random = np.random.default_rng(length)
  return tuple(jnp.asarray(random.standard_normal((4, 2, length, width)) / 2) for width in widths)


def _complex(length, *shape):
  random = np.random.default_rng(length)
  real, imaginary = random.standard_normal((2, *shape))
  return jnp.asarray(real + 1j * imaginary)


def _recurrence(form):
  def given(n, draw):
    a = 0.9 * jnp.exp(1j * draw((4, n, 6)))
    return a, _complex(n, 4, n, 6), _complex(3, 4, 6)

  def run(a_BTF, b_BTF, h_BF, reset_BT, axis):
    a_BTF = jnp.where(reset_BT[..., None], 0, a_BTF)
    return (linear_recurrence(a_BTF, b_BTF, h_BF, form, axis),)

  return given, run, "TTS"


def _linear_attention(decays):
  def given(n, draw):
    return *_of_heads(n, 5, 5, 3), draw((4, 2, n, decays), -0.3, 0.0), draw((4, 2, 5, 3))

  def run(q, k, v, g, s, reset_BT, axis):
    return linear_attention(q, k, v, g, reset_BT, s, axis=axis)

  return given, run, "HHHHS"


def _delta_rule():
  def given(n, draw):
    q, k, v = _of_heads(n, 5, 5, 3)
    b, g = draw((4, 2, n), 0.0, 2.0), draw((4, 2, n), -0.3, 0.0)
    return q, k / jnp.linalg.norm(k, axis=-1, keepdims=True), v, b, g, draw((4, 2, 5, 3))

  def run(q, k, v, b, g, s, reset_BT, axis):
    return delta_rule(q, k, v, b, g, reset_BT, s, axis=axis)

  return given, run, "HHHHHS"


def _weighted_delta():
  def given(n, draw):
    q, look, k, v = _of_heads(n, 5, 5, 5, 3)
    look /= jnp.linalg.norm(look, axis=-1, keepdims=True)
    return q, draw((4, 2, n, 5), -0.9, 0.0), look, 0.7 * look, k, v, draw((4, 2, 5, 3))

  def run(*given, axis):
    *arrays, s, reset_BT = given
    return weighted_delta(*arrays, reset_BT, s, axis=axis)

  return given, run, "HHHHHHS"


def _mlstm():
  def given(n, draw):
    i, f = draw((4, 2, n), -2.0, 2.0), jax.nn.log_sigmoid(draw((4, 2, n), 0.0, 4.0))
    state = draw((4, 2, 5, 3)), draw((4, 2, 5)), draw((4, 2))
    return *_of_heads(n, 5, 5, 3), i, f, *state

  def run(*given, axis):
    *arrays, s, n, m, reset_BT = given
    return mlstm(*arrays, reset_BT, s, n, m, axis=axis)

  return given, run, "HHHHHSSS"


def _selective_scan():
  def given(n, draw):
    reads = draw((4, n, 6)), draw((4, n, 6), 0.01, 0.2)
    return *reads, draw((6, 3), -2.0, 0.0), draw((4, n, 3)), draw((4, n, 3)), draw((4, 6, 3))

  def run(u, dt, a, b, c, h, reset_BT, axis):
    return selective_scan(u, dt, a, b, c, reset_BT, h, axis=axis)

  return given, run, "TT-TTS"


def _wkv():
  def given(n, draw):
    arrays = draw((4, n, 6)), draw((4, n, 6)), draw((6,), 0.01, 0.5), draw((6,))
    return *arrays, draw((4, 6)), draw((4, 6), 1.0, 2.0), draw((4, 6))

  def run(k, v, w, u, a, b, m, reset_BT, axis):
    return wkv(k, v, w, u, reset_BT, a, b, m, axis=axis)

  return given, run, "TT--SSS"


def _fixed_scan():
  def given(n, draw):
    a = 0.9 * jnp.exp(1j * draw((6, 3)))
    return draw((4, n, 6)), a, _complex(1, 6, 3), _complex(2, 6, 3), _complex(3, 4, 6, 3)

  def run(u, a, b, c, h, reset_BT, axis):
    return fixed_scan(u, a, b, c, reset_BT, h, axis=axis)

  return given, run, "T---S"


def _short_convolution():
  def run(x, w, before, reset_BT, axis):
    return short_convolution(x, w, jnp.where(reset_BT, 0, 9), before, axis=axis)

  return lambda n, draw: (draw((4, n, 6)), draw((4, 6)), draw((4, 3, 6))), run, "T-S"


ALONG = {
  "recurrence, sequential": _recurrence("sequential"),
  "recurrence, associative": _recurrence("associative"),
  "linear attention": _linear_attention(1),
  "linear attention, channels": _linear_attention(5),
  "delta rule": _delta_rule(),
  "weighted delta rule": _weighted_delta(),
  "mLSTM": _mlstm(),
  "selective scan": _selective_scan(),
  "WKV": _wkv(),
  "fixed scan": _fixed_scan(),
  "short convolution": _short_convolution(),
}
# How arrays lie: of time, of heads and time, of states, of parameters.
LAID_OUT = dict(T=P("data", "sequence"), H=P("data", None, "sequence"), S=P("data")) | {"-": P()}


LONG = ("linear attention, channels", "weighted delta rule", "mLSTM", "WKV", "fixed scan")


@pytest.mark.parametrize(
  "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ALONG]
)
def test_parts_of_time_tell_each_other_states_alone(name):
  """Outputs, last states and gradients with resets and a first state are those of one device; what
  is sent is as much for any length, and gradients are summed over rows once.
  """
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  (given, run, lie), sent, mesh = ALONG[name], [], _mesh(2, 4)

  def found(arrays, reset_BT, axis):
    made, back = jax.vjp(lambda *arrays: run(*arrays, reset_BT, axis=axis), *arrays)
    return made, back(jax.tree.map(jnp.cos, made))

  with jax.enable_x64(True):
    for length in (80, 160):  # parts of 20 and 40 steps, whose last chunks are filled up
      arrays = given(length, _drawing(length))
      reset_BT = np.random.default_rng(0).random((4, length)) < 0.05
      reset_BT[0, length // 2] = True  # where a part begins
      one = jax.jit(lambda *now: found(*now, None))
      wanted = one(arrays, reset_BT)
      where = [NamedSharding(mesh, LAID_OUT[kind]) for kind in lie]
      now = jax.device_put((arrays, reset_BT), (tuple(where), NamedSharding(mesh, LAID_OUT["T"])))
      with jax.set_mesh(mesh):
        many = jax.jit(lambda *now: found(*now, "sequence")).lower(*now).compile()
      for got, want in zip(jax.tree.leaves(many(*now)), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)
      collectives = counts.collectives(hlo.read(many.as_text()), 8)
      sent.append({one.kind: (one.count, one.size) for one in collectives})
  assert sent[0] == sent[1] and "all-to-all" not in sent[0]


def test_parts_that_no_chunk_divides_are_gathered():
  """A part of 37 steps, which a state that is fixed cannot be filled up for."""
  if jax.device_count() < 8:
    pytest.skip("needs 8 devices (JAX_NUM_CPU_DEVICES=8)")
  given, run, _ = ALONG["fixed scan"]
  with jax.enable_x64(True):
    arrays, reset_BT = given(148, _drawing(0)), np.random.default_rng(0).random((4, 148)) < 0.05
    want = jax.jit(lambda *now: run(*now, reset_BT, axis=None))(*arrays)
    with jax.set_mesh(_mesh(2, 4)):
      got = jax.jit(lambda *now: run(*now, reset_BT, axis="sequence"))(*arrays)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), got, want)


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
