"""Law: each fast form of an op equals its naive form, in values and in every gradient.

A new op, or a new case of one, is a line of CASES: a function, and what makes its arguments. It is
traced once as it is and once inside `reference_forms()`. Float arguments are differentiated, the
others are not.
"""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab.ops.activations import gelu
from seqlab.ops.additive_attention import additive_attention
from seqlab.ops.attention import EMPTY, attention
from seqlab.ops.attention_step import attention_step
from seqlab.ops.attention_weights import Mask, Scores
from seqlab.ops.backend import backend, forced_backend, materialised, reference_forms
from seqlab.ops.convolution import convolution, convolution_1d, transposed_convolution
from seqlab.ops.cross_entropy import chunked_cross_entropy
from seqlab.ops.delta_rule import delta_rule
from seqlab.ops.dense import dense
from seqlab.ops.fixed_scan import fixed_scan
from seqlab.ops.gru import gru
from seqlab.ops.linear_attention import linear_attention
from seqlab.ops.linear_recurrence import linear_recurrence
from seqlab.ops.long_convolution import long_convolution
from seqlab.ops.lstm import lstm
from seqlab.ops.mlstm import mlstm
from seqlab.ops.norm import layer_norm, rms_norm
from seqlab.ops.rnn import rnn
from seqlab.ops.rope import rope, rope_naive, sinusoids
from seqlab.ops.selective_scan import selective_scan
from seqlab.ops.short_convolution import short_convolution
from seqlab.ops.slstm import slstm
from seqlab.ops.triangular import unit_triangular_solve
from seqlab.ops.weighted_delta import weighted_delta
from seqlab.ops.wkv import wkv


class Draw:
  """Random arguments of one float dtype."""

  def __init__(self, name, dtype):
    self.random, self.dtype = np.random.default_rng(zlib.crc32(name.encode())), dtype

  def normal(self, *shape):
    return jnp.asarray(self.random.normal(size=shape), self.dtype)

  def gates(self, *shape):
    return jax.nn.sigmoid(self.normal(*shape))

  def integers(self, most, *shape):
    return jnp.asarray(self.random.integers(0, most, shape), jnp.int32)

  def resets(self, *shape):
    return jnp.asarray(self.random.random(shape) < 0.3)

  def positions(self, *shape):
    time_T, reset_BT = np.arange(shape[1]), self.resets(*shape)
    began_BT = np.maximum.accumulate(np.where(reset_BT, time_T, -self.random.integers(0, 4)), 1)
    return jnp.asarray(time_T - began_BT, jnp.int32)

  def documents(self, *shape):
    return jnp.cumsum(self.resets(*shape), 1, dtype=jnp.int32)


def whole(q_BHTK, k_BHTK, v_BHTK, segment_BT, slopes_H=None, known=False, **options):
  """Attention of a training window: every key is a query too."""
  time_T = np.arange(q_BHTK.shape[2], dtype=np.int32)
  time_T = time_T if known else jnp.asarray(time_T)
  mask, scores = asked(segment_BT, segment_BT, time_T, time_T, slopes_H=slopes_H, **options)
  return attention(q_BHTK, k_BHTK, v_BHTK, mask, scores)


def asked(*places, window=None, causal=True, **options):
  return Mask(*places, window, causal), Scores(**options)


def dropping(q_BHTK, k_BHTK, v_BHTK, segment_BT, kept_BHTS):
  """Attention whose weights meet the factors of dropout."""
  time_T = np.arange(q_BHTK.shape[2], dtype=np.int32)
  mask = Mask(segment_BT, segment_BT, time_T, time_T)
  return attention(q_BHTK, k_BHTK, v_BHTK, mask, kept_BHTS=kept_BHTS)


def cached(q_BHTK, k_BHSK, v_BHSK, segment_BT, segment_BS, **options):
  """Attention over a ring whose slots are out of order, some of them empty."""
  length, slots = q_BHTK.shape[2], k_BHSK.shape[2]
  time_S, time_T = (jnp.arange(slots) * 5) % slots, slots - 3 + jnp.arange(length)
  return attention(
    q_BHTK, k_BHSK, v_BHSK, *asked(segment_BT, segment_BS, time_T, time_S, **options)
  )


def step(q_BHTK, k_BHSK, v_BHSK, segment_BT, segment_BS, slopes_H=None, **options):
  """One query over a ring and its own key, by two forms: the latter is what `cached` joins."""
  own, slots = (x[:, :, -1:] for x in (k_BHSK, v_BHSK)), k_BHSK.shape[2] - 1
  time_S = jnp.append((jnp.arange(slots) * 5) % slots, slots)
  segment_BS = segment_BS.at[:, -1:].set(segment_BT)
  where = (segment_BT, segment_BS, jnp.asarray([slots]), time_S)
  mask, scores = asked(*where, slopes_H=slopes_H, **options)
  if backend() == "reference":
    return attention(q_BHTK, k_BHSK, v_BHSK, mask, scores)
  ring = (x[:, :, :-1] for x in (k_BHSK, v_BHSK))
  return attention_step(q_BHTK, *own, *ring, mask, scores)


def heads(d, length, documents=None, query_heads=4, value_width=6):
  q, k, v = (
    d.normal(2, query_heads, length, 6),
    d.normal(2, 2, length, 6),
    d.normal(2, 2, length, value_width),
  )
  return q, k, v, d.documents(2, length) if documents is None else documents


def slots(d, length):
  segment_BS = d.integers(3, 2, 7)
  segment_BS = jnp.where(segment_BS == 2, EMPTY, segment_BS)
  return (
    d.normal(2, 4, length, 6),
    d.normal(2, 2, 7, 6),
    d.normal(2, 2, 7, 6),
    d.integers(2, 2, length),
    segment_BS,
  )


def vocabulary(d, length):
  labels_BT = d.integers(11, 3, length)
  return d.normal(3, length, 5), d.normal(11, 5), labels_BT, d.normal(3, length)


def gated_cells(d, length):
  weights = d.normal(3, length, 4, 5), d.normal(5, 4, 5)
  return *weights, d.resets(3, length), d.normal(3, 5), d.normal(3, 5)


def complex_recurrence(radius_BTF, angle_BTF, real_BTF, imag_BTF):
  """A linear recurrence over complex numbers, its parts side by side."""
  a_BTF, b_BTF = radius_BTF * jnp.exp(1j * angle_BTF), real_BTF + 1j * imag_BTF
  h_BTF = linear_recurrence(a_BTF, b_BTF, b_BTF[:, 0])
  return h_BTF.real, h_BTF.imag


def complex_scan(u_BTF, radius_FN, angle_FN, b_FN, c_FN, reset_BT, h_BFN):
  y_BTF, h_BFN = fixed_scan(
    u_BTF, radius_FN * jnp.exp(1j * angle_FN), b_FN + 0j, c_FN * jnp.exp(1j * b_FN), reset_BT,
    h_BFN * jnp.exp(0.5j),
  )  # fmt: skip
  return y_BTF, h_BFN.real, h_BFN.imag


def steps(rows, length):
  return jnp.tile(jnp.arange(length, dtype=jnp.int32), (rows, 1))


part = functools.partial
CASES = {
  "dense": (dense, lambda d: (d.normal(3, 7, 5), d.normal(5, 4))),
  "dense narrow": (dense, lambda d: (d.normal(3, 7, 5), d.normal(5, 2))),
  "dense heads out": (dense, lambda d: (d.normal(3, 7, 5), d.normal(5, 2, 3))),
  "dense heads in": (part(dense, contract=2), lambda d: (d.normal(3, 7, 2, 5), d.normal(2, 5, 3))),
  "dense one row": (dense, lambda d: (d.normal(5), d.normal(5, 3))),
  "rms_norm": (rms_norm, lambda d: (d.normal(3, 7, 5), d.normal(5))),
  "layer_norm": (layer_norm, lambda d: (d.normal(3, 7, 5) + 2, d.normal(5))),
  "layer_norm bias": (layer_norm, lambda d: (d.normal(7, 5), d.normal(5), d.normal(5))),
  "gelu": (gelu, lambda d: (3 * d.normal(3, 7),)),
  "materialised": (materialised, lambda d: (d.normal(3, 7),)),
  "recurrence": (
    linear_recurrence,
    lambda d: (d.gates(3, 7, 5), d.normal(3, 7, 5), d.normal(3, 5)),
  ),
  "recurrence sequential": (
    part(linear_recurrence, form="sequential"),
    lambda d: (d.gates(3, 9, 5), d.normal(3, 9, 5), d.normal(3, 5)),
  ),
  "recurrence associative": (
    part(linear_recurrence, form="associative"),
    lambda d: (d.gates(3, 9, 5), d.normal(3, 9, 5), d.normal(3, 5)),
  ),
  "recurrence one step": (
    part(linear_recurrence, form="associative"),
    lambda d: (d.gates(3, 1, 5), d.normal(3, 1, 5), d.normal(3, 5)),
  ),
  "rnn": (rnn, lambda d: (d.normal(3, 7, 5), d.normal(5, 5), d.resets(3, 7), d.normal(3, 5))),
  "rnn one step": (
    rnn,
    lambda d: (d.normal(3, 1, 5), d.normal(5, 5), d.resets(3, 1), d.normal(3, 5)),
  ),
  "lstm": (lstm, lambda d: gated_cells(d, 7)),
  "lstm with peepholes": (lstm, lambda d: (*gated_cells(d, 7), d.normal(3, 5))),
  "lstm one step": (lstm, lambda d: gated_cells(d, 1)),
  "gru": (
    gru,
    lambda d: (
      d.normal(3, 7, 3, 5),
      d.normal(5, 3, 5),
      d.normal(5),
      d.resets(3, 7),
      d.normal(3, 5),
    ),
  ),
  "gru reset before": (
    part(gru, reset_after=False),
    lambda d: (
      d.normal(3, 7, 3, 5),
      d.normal(5, 3, 5),
      d.normal(5),
      d.resets(3, 7),
      d.normal(3, 5),
    ),
  ),
  "gru one step": (
    gru,
    lambda d: (
      d.normal(3, 1, 3, 5),
      d.normal(5, 3, 5),
      d.normal(5),
      d.resets(3, 1),
      d.normal(3, 5),
    ),
  ),
  "linear attention": (part(linear_attention, chunk=4), lambda d: matrices(d, 11)),
  "linear attention one chunk": (linear_attention, lambda d: matrices(d, 5, shared=True)),
  "linear attention channels": (
    part(linear_attention, chunk=4),
    lambda d: matrices(d, 11, channels=3),
  ),
  "linear attention one step": (linear_attention, lambda d: matrices(d, 1)),
  "delta rule": (part(delta_rule, chunk=4), lambda d: corrections(d, 11)),
  "delta rule one step": (delta_rule, lambda d: corrections(d, 1)),
  "triangular solve": (
    unit_triangular_solve,
    lambda d: (d.normal(2, 3, 7, 7), d.normal(2, 3, 7, 5)),
  ),
  "mlstm": (part(mlstm, chunk=4), lambda d: gated_matrices(d, 11)),
  "mlstm one step": (mlstm, lambda d: gated_matrices(d, 1)),
  "recurrence complex": (
    complex_recurrence,
    lambda d: (d.gates(3, 7, 5), d.normal(3, 7, 5), *(d.normal(3, 7, 5) for _ in range(2))),
  ),
  "short convolution": (
    short_convolution,
    lambda d: (d.normal(3, 9, 5), d.normal(4, 5), d.positions(3, 9), d.normal(3, 3, 5)),
  ),
  "short convolution one step": (
    short_convolution,
    lambda d: (d.normal(3, 1, 5), d.normal(4, 5), d.positions(3, 1), d.normal(3, 3, 5)),
  ),
  "long convolution": (
    long_convolution,
    lambda d: (d.normal(3, 9, 5), d.normal(11, 5), d.positions(3, 9), d.normal(3, 4, 5)),
  ),
  "long convolution one document": (
    long_convolution,
    lambda d: (d.normal(2, 9, 5), d.normal(11, 5), 2 + steps(2, 9), d.normal(2, 4, 5)),
  ),
  "long convolution one step": (
    long_convolution,
    lambda d: (d.normal(2, 1, 5), d.normal(4, 5), 2 + steps(2, 1), d.normal(2, 4, 5)),
  ),
  "selective scan in pieces": (
    selective_scan,
    lambda d: (
      d.normal(2, 131, 3),
      d.gates(2, 131, 3),
      -d.gates(3, 2),
      d.normal(2, 131, 2),
      d.normal(2, 131, 2),
      d.resets(2, 131),
      d.normal(2, 3, 2),
    ),
  ),
  "fixed scan in pieces": (
    complex_scan,
    lambda d: (
      d.normal(2, 70, 3),
      d.gates(3, 2),
      *(d.normal(3, 2) for _ in range(3)),
      d.resets(2, 70),
      d.normal(2, 3, 2),
    ),
  ),
  "wkv in pieces": (
    wkv,
    lambda d: (
      3 * d.normal(2, 70, 3),
      d.normal(2, 70, 3),
      d.gates(3),
      d.normal(3),
      d.resets(2, 70),
      d.normal(2, 3),
      d.gates(2, 3),
      d.normal(2, 3),
    ),
  ),
  "weighted delta in pieces": (
    weighted_delta,
    lambda d: (
      d.normal(2, 1, 70, 3),
      -d.gates(2, 1, 70, 3),
      0.5 * d.normal(2, 1, 70, 3),
      0.5 * d.normal(2, 1, 70, 3),
      d.normal(2, 1, 70, 3),
      d.normal(2, 1, 70, 2),
      d.resets(2, 70),
      d.normal(2, 1, 3, 2),
    ),
  ),
  "slstm": (slstm, lambda d: cells(d, 7)),
  "slstm one step": (slstm, lambda d: cells(d, 1)),
  "attention": (whole, lambda d: heads(d, 9)),
  "attention wide values": (whole, lambda d: heads(d, 9, value_width=4)),
  "attention one token": (whole, lambda d: heads(d, 1)),
  "attention as many heads": (whole, lambda d: heads(d, 5, query_heads=2)),
  "attention window": (part(whole, window=3), lambda d: heads(d, 9)),
  "attention softcap": (part(whole, softcap=2.0), lambda d: heads(d, 9)),
  "attention scale": (part(whole, scale=0.3), lambda d: heads(d, 9)),
  "attention alibi": (whole, lambda d: (*heads(d, 9), d.gates(4))),
  "attention all of it": (part(whole, window=4, softcap=3.0), lambda d: (*heads(d, 9), d.gates(4))),
  "attention dropout": (dropping, lambda d: (*heads(d, 9), 2 * d.gates(2, 4, 9, 9))),
  "attention blocks": (part(whole, known=True), lambda d: heads(d, 133)),
  "attention blocks window": (part(whole, known=True, window=70), lambda d: heads(d, 133)),
  "attention both ways": (part(whole, known=True, causal=False), lambda d: heads(d, 133)),
  "attention both ways window": (
    part(whole, known=True, causal=False, window=70),
    lambda d: heads(d, 133),
  ),
  "attention both ways alibi": (part(whole, causal=False), lambda d: (*heads(d, 9), d.gates(4))),
  "attention ring": (cached, lambda d: slots(d, 4)),
  "attention ring window": (part(cached, window=3), lambda d: slots(d, 4)),
  "attention one query": (cached, lambda d: slots(d, 1)),
  "attention step": (step, lambda d: slots(d, 1)),
  "attention step all of it": (
    part(step, window=4, softcap=3.0),
    lambda d: (*slots(d, 1), d.gates(4)),
  ),
  "cross entropy": (chunked_cross_entropy, lambda d: vocabulary(d, 7)),
  "cross entropy z": (part(chunked_cross_entropy, z_loss=0.1), lambda d: vocabulary(d, 7)),
  "cross entropy by 1": (
    part(chunked_cross_entropy, z_loss=0.1, chunk=1),
    lambda d: vocabulary(d, 7),
  ),
  "cross entropy by 2": (
    part(chunked_cross_entropy, z_loss=0.1, chunk=2),
    lambda d: vocabulary(d, 7),
  ),
  "additive attention in blocks": (additive_attention, lambda d: additive(d, 35, 7)),
  "additive attention": (additive_attention, lambda d: additive(d, 5, 3)),
  "convolution": (convolution, lambda d: (d.normal(2, 6, 7, 2), d.normal(3, 3, 2, 4))),
  "convolution by 2": (
    part(convolution, stride=2),
    lambda d: (d.normal(2, 7, 8, 3), d.normal(4, 4, 3, 2)),
  ),
  "convolution 1d": (
    part(convolution_1d, before=2, after=1),
    lambda d: (d.normal(2, 5, 3), d.normal(4, 3, 2)),
  ),
  "convolution 1d dilated": (
    part(convolution_1d, dilation=3, after=4),
    lambda d: (d.normal(2, 9, 3), d.normal(3, 3, 2)),
  ),
  "transposed convolution": (
    transposed_convolution,
    lambda d: (d.normal(2, 3, 4, 3), d.normal(4, 4, 3, 2)),
  ),
  "cross entropy by 3": (part(chunked_cross_entropy, chunk=3), lambda d: vocabulary(d, 7)),
  "cross entropy one token": (part(chunked_cross_entropy, chunk=9), lambda d: vocabulary(d, 1)),
}


def matrices(draw, length, channels=1, shared=False):
  """Of linear attention, decays down to nothing among them."""
  heads = 1 if shared else 2
  q, k = draw.normal(3, heads, length, 3), draw.normal(3, heads, length, 3)
  decays = -jnp.exp(3 * draw.normal(3, 2, length, channels))
  return q, k, draw.normal(3, 2, length, 5), decays, draw.resets(3, length), draw.normal(3, 2, 3, 5)


def corrections(draw, length):
  q, k, v, decays, resets, state = matrices(draw, length)
  k = k / jnp.linalg.norm(k, axis=-1, keepdims=True)
  return q, k, v, 2 * draw.gates(3, 2, length), decays[..., 0], resets, state


def gated_matrices(draw, length):
  q, k, v, decays, resets, state = matrices(draw, length)
  inputs, sums = 5 * draw.normal(3, 2, length), draw.normal(3, 2, 3)
  return q, k, v, inputs, decays[..., 0], resets, state, sums, draw.normal(3, 2)


def cells(draw, length):
  h, c, m = draw.normal(3, 2, 4), draw.normal(3, 2, 4), draw.normal(3, 2, 4)
  x, w = 2 * draw.normal(3, length, 2, 4, 4), draw.normal(2, 4, 4, 4)
  return x, w, draw.resets(3, length), h, c, draw.gates(3, 2, 4), m


def additive(draw, queries, keys):
  """Queries of two texts; the first sees no key."""
  seen = np.arange(keys) % 2 == (np.arange(queries) > queries // 2)[:, None]
  seen[0] = False
  q, k, v = draw.normal(2, queries, 4), draw.normal(2, keys, 4), draw.normal(2, keys, 4)
  return q, k, v, draw.normal(4), jnp.broadcast_to(seen, (2, queries, keys))


def values_and_gradients(op, arguments):
  """The outputs, and the gradients of their product with fixed random arrays."""
  floats = [i for i, x in enumerate(arguments) if jnp.issubdtype(x.dtype, jnp.floating)]

  def scalar(*chosen):
    full = list(arguments)
    for i, x in zip(floats, chosen, strict=True):
      full[i] = x
    outputs = op(*full)
    random = np.random.default_rng(1)
    weighed = [
      jnp.vdot(y, random.normal(size=y.shape).astype(y.dtype)) for y in jax.tree.leaves(outputs)
    ]
    return sum(weighed), outputs

  chosen = [arguments[i] for i in floats]
  # Small shapes: compiling is all the time there is, so the compiler is told not to try hard.
  options = dict(xla_backend_optimization_level=0)
  run = jax.jit(
    jax.value_and_grad(scalar, range(len(floats)), has_aux=True), compiler_options=options
  )
  (_, outputs), gradients = run(*chosen)
  return jax.tree.leaves((outputs, gradients))


@pytest.mark.parametrize("name", CASES)
def test_fast_equals_naive(name):
  op, draw = CASES[name]
  with jax.enable_x64(True):
    arguments = draw(Draw(name, "float64"))
    fast = values_and_gradients(op, arguments)
    with reference_forms():
      naive = values_and_gradients(lambda *arguments: op(*arguments), arguments)
  # The same numbers in float32, against what float64 says they should be.
  narrow = values_and_gradients(op, draw(Draw(name, "float32")))
  for got, got32, want in zip(fast, narrow, naive, strict=True):
    assert got.dtype == want.dtype == "float64" and got32.dtype == "float32"
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(got32, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
  "name",
  ["dense heads in", "layer_norm", "gelu", "recurrence", "rnn", "lstm", "gru", "cross entropy z"],
)
def test_bfloat16_keeps_masters_and_state_wide(name):
  """Weights' gradients come back in float32, everything is finite and near the float32 result."""
  op, draw = CASES[name]
  arguments = draw(Draw(name, "float32"))
  inputs = [x.astype(jnp.bfloat16) if i == 0 else x for i, x in enumerate(arguments)]
  for got, want in zip(
    values_and_gradients(op, inputs), values_and_gradients(op, arguments), strict=True
  ):
    got, want = np.asarray(got, np.float32), np.asarray(want)
    assert np.linalg.norm(got - want) <= 0.05 * np.linalg.norm(want) + 0.05
  gradients = values_and_gradients(op, inputs)[
    -sum(jnp.issubdtype(x.dtype, jnp.floating) for x in inputs) :
  ]
  floats = [x for x in inputs if jnp.issubdtype(x.dtype, jnp.floating)]
  assert [g.dtype for g in gradients] == [x.dtype for x in floats]


@pytest.mark.parametrize("place", ["gpu"])
@pytest.mark.parametrize("name", ["dense", "recurrence", "attention"])
def test_forms_of_other_backends(name, place):
  """What an accelerator would trace gives the same, run here."""
  op, draw = CASES[name]
  arguments = draw(Draw(name, "float32"))
  want = values_and_gradients(op, arguments)
  with forced_backend(place):
    got = values_and_gradients(lambda *arguments: op(*arguments), arguments)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), got, want)


@pytest.mark.parametrize("name", ["dense heads in", "lstm", "recurrence", "attention"])
def test_vmap_and_checkpoint(name):
  """Ops go through vmap (seeds) and jax.checkpoint (remat) unchanged."""
  op, draw = CASES[name]
  one, other = (draw(Draw(name + seed, "float32")) for seed in "ab")
  both = [jnp.stack(pair) for pair in zip(one, other, strict=True)]
  got = jax.tree.leaves(jax.vmap(op)(*both))
  want = values_and_gradients(op, one)
  for x, y in zip(values_and_gradients(jax.checkpoint(op), one), want, strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
  for i, arguments in enumerate((one, other)):
    for x, y in zip(got, jax.tree.leaves(op(*arguments)), strict=True):
      np.testing.assert_allclose(x[i], y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
  "options",
  [{}, {"base": 100.0}, {"scale": 4.0, "xpos": 1}, {"xpos": -1}],
  ids=str,
)
def test_rope(options):
  d = Draw("rope", "float32")
  x_BTHK, pos_BT = d.normal(2, 5, 3, 10), d.integers(999, 2, 5)
  got, want = rope(x_BTHK, pos_BT, **options), rope_naive(x_BTHK, pos_BT, **options)
  np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"scale": 4.0}, {"xpos": 1}], ids=str)
def test_rope_scores_depend_on_distance_alone(options):
  d = Draw("distance", "float32")
  q, k = d.normal(1, 1, 1, 8), d.normal(1, 1, 1, 8)

  def score(i, j):
    opposite = {name: -x if name == "xpos" else x for name, x in options.items()}
    at_i, at_j = jnp.full((1, 1), i), jnp.full((1, 1), j)
    return jnp.vdot(rope(q, at_i, **options), rope(k, at_j, **opposite))

  np.testing.assert_allclose(score(3, 1), score(103, 101), atol=1e-4)
  assert abs(score(3, 1) - score(3, 2)) > 1e-3
  if "xpos" in options:  # what is far counts less, whatever the angle
    far = [jnp.abs(score(2000, 2000 - distance)) for distance in range(1000, 1064)]
    near = [jnp.abs(score(2000, 2000 - distance)) for distance in range(64)]
    assert max(far) < 0.5 * max(near)


def test_xpos_over_a_scale_falls_off_as_at_the_distance_divided_by_it():
  d = Draw("scale", "float32")
  q, k, at = d.normal(1, 1, 1, 8), d.normal(1, 1, 1, 8), lambda i: jnp.full((1, 1), i)

  def score(distance, scale):
    return jnp.vdot(rope(q, at(distance), scale=scale, xpos=1), rope(k, at(0), xpos=-1))

  np.testing.assert_allclose(score(512, 4.0), score(128, 1.0), rtol=1e-5)


def test_a_layer_norm_keeps_its_digits_far_from_zero():
  x = np.random.default_rng(0).normal(1000, 1, (4, 256)).astype("f4")
  wanted = (x - x.mean(-1, keepdims=True, dtype="f8")) / x.std(-1, keepdims=True, dtype="f8")
  np.testing.assert_allclose(layer_norm(x, np.ones(256, "f4")), wanted, atol=1e-3)


@pytest.mark.parametrize("decay", [-1e3, -1e6])
def test_what_a_document_forgot_costs_the_next_no_digits(decay):
  """Both are of one chunk."""
  d = Draw("forgetting", "float32")
  q, k, v = (d.normal(1, 2, 40, 4) for _ in range(3))
  i, f = d.normal(1, 2, 40), jnp.full((1, 2, 40), -0.1).at[:, :, :20].set(decay)
  reset = jnp.zeros((1, 40), bool).at[:, [0, 20]].set(True)
  start = jnp.zeros((1, 2, 4, 4)), jnp.zeros((1, 2, 4)), jnp.zeros((1, 2))
  alone = jnp.ones_like(reset[:, 20:]).at[:, 1:].set(False)
  op = jax.jit(mlstm)
  second = op(*(x[:, :, 20:] for x in (q, k, v, i, f)), alone, *start)
  both = op(q, k, v, i, f, reset, *start)
  np.testing.assert_allclose(both[0][:, :, 20:], second[0], rtol=1e-4, atol=1e-5)

  def total(f):
    return jnp.sum(jnp.cos(op(q, k, v, i, f, reset, *start)[0]))

  assert np.isfinite(jax.grad(total)(f)).all()


def test_sinusoids_turn_by_the_distance_alone():
  near, far = sinusoids(jnp.array([[3, 5, 1003, 1005]]), 8)[0].reshape(2, 2, 8)
  np.testing.assert_allclose(jnp.vdot(*near), jnp.vdot(*far), atol=1e-3)
  np.testing.assert_allclose(near[0][:4] ** 2 + near[0][4:] ** 2, 1, atol=1e-6)
  assert sinusoids(jnp.zeros((1, 1), int), 5).shape == (1, 1, 5)


def test_attention_sees_nothing_gives_zeros():
  d = Draw("nothing", "float32")
  q, k, v, _, segment_BS = slots(d, 4)
  y = cached(q, k, v, jnp.full((2, 4), 9, jnp.int32), segment_BS)
  np.testing.assert_array_equal(y, 0)


def test_attention_visibility_by_gradient():
  """A query's gradient reaches exactly the keys that the rule names."""
  segment_BT = jnp.array([[0, 0, 0, 1, 1, 1, 1]])
  d = Draw("visible", "float32")
  q, k, v = d.normal(1, 1, 7, 4), d.normal(1, 1, 7, 4), d.normal(1, 1, 7, 4)
  y = jax.jacobian(lambda v: whole(q, k, v, segment_BT, window=3))(v)
  seen = np.abs(y).sum((0, 1, 3, 4, 5, 7)) > 0
  t, s = np.mgrid[:7, :7]
  assert (seen == ((s <= t) & (t - s < 3) & ((s < 3) == (t < 3)))).all()


def test_chunks_hold_no_large_logits():
  """No array of the traced program has B x T x V elements."""
  x, head, labels, weight = (
    jnp.zeros((2, 64, 8)),
    jnp.zeros((128, 8)),
    jnp.zeros((2, 64), int),
    jnp.ones((2, 64)),
  )

  def loss(x, head):
    return chunked_cross_entropy(x, head, labels, weight, chunk=8)[0]

  compiled = jax.jit(jax.grad(loss, (0, 1))).lower(x, head).compile()
  assert "[2,64,128]" not in compiled.as_text() and "[128,128]" not in compiled.as_text()
  assert compiled.memory_analysis().temp_size_in_bytes < 4 * x.shape[0] * 64 * 128
