"""Attention along a mesh axis of four devices: the numbers of one device, and keys that go round
and are nowhere whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab import axes
from seqlab.nn.mixers import cache
from seqlab.ops.attention import attention
from seqlab.ops.attention_weights import Mask, Scores
from seqlab.ops.ring_attention import ring_attention
from seqlab.planning import counts, hlo

LENGTH, DEVICES = 16, 4
TIME_T = np.arange(LENGTH, dtype=np.int32)
# Documents that begin inside a device's part and that span several.
POS_BT = np.stack([np.r_[:5, :2, :9], TIME_T]).astype(np.int32)
SLOPES_H = 2.0 ** -np.arange(1, 5)

CASES = {
  "causal": dict(),
  "window": dict(window=3),
  "window of two parts": dict(window=6),
  "both ways": dict(causal=False),
  "both ways, window": dict(causal=False, window=3),
  "prefix": dict(prefix_BS=jnp.asarray(POS_BT < 3)),
  "scores": dict(scores=Scores(0.3, 5.0, SLOPES_H)),
  "dropout": dict(drop=True),
}


def run(attend, scores=Scores(), drop=False, dtype=jnp.float64, **of_mask):  # noqa: B008
  """(function of queries, keys and values that gives outputs and three gradients, its inputs)"""
  draw = np.random.default_rng(0)
  q, k, v, dy = (
    jnp.asarray(draw.standard_normal((2, heads, LENGTH, width)), dtype)
    for heads, width in ((4, 6), (2, 6), (2, 5), (4, 5))
  )
  segment_BT = jnp.asarray(TIME_T - POS_BT)
  mask = Mask(segment_BT, segment_BT, TIME_T, TIME_T, **of_mask)
  kept = jnp.asarray(draw.random((2, 4, LENGTH, LENGTH)) < 0.7, dtype) / 0.7 if drop else None

  def found(*inputs):
    y, back = jax.vjp(lambda q, k, v: attend(q, k, v, mask, scores, kept), *inputs)
    return y, *back(dy)

  return found, (q, k, v)


def laid_out(inputs, mesh):
  where = [jax.NamedSharding(mesh, axes.partition("BHTK", x.shape, mesh)) for x in inputs]
  return jax.device_put(inputs, tuple(where))


@pytest.mark.parametrize(
  "sizes", [dict(sequence=4), dict(sequence=2, tensor=2)], ids=["sequence", "tensor"]
)
@pytest.mark.parametrize("name", CASES)
def test_a_ring_gives_what_one_device_gives(name, sizes):
  ring = functools.partial(ring_attention, axis="sequence")
  with jax.enable_x64(True):
    wanted, inputs = run(attention, **CASES[name])
    found, _ = run(ring, **CASES[name])
    wanted = jax.jit(wanted)(*inputs)
    with axes.use_mesh(axes.make_mesh(sizes, jax.devices()[:DEVICES])) as mesh:
      got = jax.jit(found)(*laid_out(inputs, mesh))
  for a, b in zip(got, wanted, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_of_bfloat16_sums_are_float32():
  """The softmax and what goes round of gradients: errors are those of one device."""
  exact, inputs = run(attention, dtype=jnp.float32)
  exact = jax.jit(exact)(*inputs)
  worst = []
  for attend in (attention, functools.partial(ring_attention, axis="sequence")):
    found, inputs = run(attend, dtype=jnp.bfloat16)
    with axes.use_mesh(axes.make_mesh(dict(sequence=4), jax.devices()[:DEVICES])):
      got = jax.jit(found)(*inputs)
    assert all(x.dtype == jnp.bfloat16 for x in got)
    worst.append([float(jnp.max(jnp.abs(a - b))) for a, b in zip(got, exact, strict=True)])
  assert np.all(np.asarray(worst[1]) < 1.5 * np.asarray(worst[0]))


@pytest.mark.parametrize("window, sends", [(None, 32), (6, 22), (3, 8), (1, 0)])
def test_keys_go_as_far_as_a_window_reaches_and_nothing_is_gathered(window, sends):
  """A turn sends keys, values, segments and times, and backward two gradients too, which then go
  home; of a single turn backward reads what forward received.
  """
  ring = functools.partial(ring_attention, axis="sequence")
  found, inputs = run(ring, dtype=jnp.float32, window=window)
  with axes.use_mesh(axes.make_mesh(dict(sequence=4), jax.devices()[:DEVICES])) as mesh:
    text = jax.jit(found).lower(*laid_out(inputs, mesh)).compile().as_text()
  kinds = {one.kind: one for one in counts.collectives(hlo.read(text), DEVICES)}
  assert set(kinds) <= {"collective-permute"}
  assert sum(one.count for one in kinds.values()) == sends


def test_without_an_axis_for_time_nothing_changes():
  (found, inputs), (plain, _) = (
    run(attend, dtype=jnp.float32) for attend in (cache.attend_itself, attention)
  )
  with axes.use_mesh(axes.make_mesh(dict(data=2, tensor=2), jax.devices()[:DEVICES])):
    assert str(jax.make_jaxpr(found)(*inputs)) == str(jax.make_jaxpr(plain)(*inputs))
