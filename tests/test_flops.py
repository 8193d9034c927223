"""FLOPs read off a jaxpr equal the formulas of the papers, which live here alone."""

import jax
import jax.numpy as jnp
import pytest

from seqlab import config as configs
from seqlab import costs, flops, train
from seqlab.flops import Flops, count
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.layers import Gated, Plain
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel
from seqlab.ops.backend import reference_forms
from seqlab.spec import make, parse, parse_one

D, T, V = 24, 20, 32  # width, length, vocabulary


def attention(heads=4, kv_heads=0, head_width=0, window=0):
  """Forward FLOPs a token, parameters and state bytes of one sequence."""
  keys, each = kv_heads or heads, head_width or D // heads
  slots = window or T + 1
  return (
    2 * D * heads * each
    + 2 * 2 * D * keys * each
    + 2 * 2 * T * heads * each
    + 2 * heads * each * D,
    D * heads * each + 2 * D * keys * each + heads * each * D,
    4 * (2 * slots * keys * each + slots + 1),  # keys, values, segments; the time
  )


def recurrence(gates, states, recurrent=True, extra_bias=False, hidden=0, **_):
  F = hidden or D
  inside = F * gates * F if recurrent else 0
  out = F * D if hidden else 0
  weights = D * gates * F + inside + out
  return 2 * weights, weights + gates * F + (F if extra_bias else 0), 4 * states * F


def rnn(**given):
  return recurrence(1, 1, **given)


def lstm(**given):
  return recurrence(4, 2, **given)


def gru(**given):
  return recurrence(3, 1, extra_bias=True, **given)


def min_gru(**given):
  return recurrence(2, 1, recurrent=False, **given)


FORMULAS = dict(attention=attention, rnn=rnn, lstm=lstm, gru=gru, min_gru=min_gru)

SPECS = (
  "attention(heads=4)",
  "attention(heads=4, kv_heads=2)",
  "attention(heads=4, kv_heads=1, head_width=8, window=6)",
  "rnn()",
  "rnn(hidden=10)",
  "lstm()",
  "lstm(hidden=10)",
  "gru()",
  "gru(hidden=10, reset_after=False)",
  "min_gru()",
  "min_gru(hidden=10)",
)


def test_every_mixer_has_a_formula_here():
  assert set(FORMULAS) == set(MIXERS) == {parse_one(spec).name for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS)
def test_costs_of_a_mixer_are_its_formula(spec):
  call = parse_one(spec)
  found = costs.mixer_costs(make(call, MIXERS), D, T)
  products, parameters, state = FORMULAS[call.name](**call.kwargs)
  assert found["products"] == products
  assert found["parameters"] == parameters
  assert found["state_bytes"] == state
  one = products  # the same of one more token, but for attention's scores: over the slots it has
  if call.name == "attention":
    slots, each = call.kwargs.get("window", T + 1), call.kwargs.get("head_width", D // 4)
    one += 2 * 2 * (slots - T) * call.kwargs["heads"] * each
  assert one < found["decode"] < 1.5 * one  # with the element-wise work


def shapes(*sizes):
  return [jax.ShapeDtypeStruct(size, jnp.float32) for size in sizes]


def products(fn, *arguments):
  return count(fn, *arguments).products


def forward_products(module, *inputs):
  params = jax.eval_shape(
    lambda: module.init(jax.random.key(0), *(jnp.zeros(x.shape, x.dtype) for x in inputs))
  )
  with reference_forms():
    return products(lambda p, *x: module.apply(p, *x), params, *inputs)


def plain(ratio=4):
  return 2 * 2 * D * ratio * D


def gated(hidden):
  return 3 * 2 * D * hidden


def test_channel_mixing():
  (x_BTD,) = shapes((3, T, D))
  assert forward_products(Plain(), x_BTD) == 3 * T * plain()
  assert forward_products(Plain(ratio=2), x_BTD) == 3 * T * plain(2)
  assert forward_products(Gated(), x_BTD) == 3 * T * gated(64)  # 8/3 * 24, a multiple of 8
  assert forward_products(Gated(ratio=1.2), x_BTD) == 3 * T * gated(32)  # 28.8, rounded up


def config_of(mixer, depth, *more):
  given = dict(length=T, batch=3) | {"model.width": D, "model.depth": depth, "model.mixer": mixer}
  return configs.load("", [f"{key}={value}" for key, value in given.items()] + list(more))


@pytest.mark.parametrize("unroll", [0, 1])
@pytest.mark.parametrize("remat", ["none", "full"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_whole_decoder_with_its_head(tied, remat, unroll):
  """Five blocks of a pattern of two: attention, min_gru, attention, min_gru, attention."""
  more = [f"model.tied={tied}", f"model.remat={remat}", f"model.unroll={unroll}"]
  config = config_of("attention(heads=4, kv_heads=2) | min_gru()", 5, *more)
  found = costs.model_costs(config, V)
  a, g = attention(4, 2), min_gru()
  assert found["forward"] == 3 * a[0] + 2 * g[0] + 5 * plain() + 2 * D * V
  assert found["train"] == 3 * found["forward"]
  norms = 2 * 5 * D + D
  inner = 3 * a[1] + 2 * g[1] + 5 * plain() // 2 + norms + (0 if tied else D * V)
  assert found["without_tables"] == inner
  assert found["parameters"] == inner + V * D


def test_an_encoder_decoder():
  """Cross-attention costs what attention does, for a source as long as the target."""
  more = ["model.name=encoder_decoder", "objective=sequence_to_sequence()"]
  found = costs.model_costs(config_of("attention(heads=4)", 2, *more), V)
  a = attention(4)
  assert found["forward"] == 2 * (3 * a[0] + 2 * plain()) + 2 * D * V
  norms = 2 * (2 + 3) * D + 2 * D
  assert found["without_tables"] == 2 * (3 * a[1] + 2 * plain() // 2) + norms


@pytest.mark.parametrize("mixer, ways", [("attention(heads=4)", 1), ("lstm()", 2)])
def test_an_encoder_reads_a_recurrence_twice(mixer, ways):
  more = ["model.name=encoder", "objective=masked_language_model()"]
  found = costs.model_costs(config_of(mixer, 2, *more), V)
  one = attention(4) if ways == 1 else lstm()
  assert found["forward"] == 2 * (ways * one[0] + plain()) + 2 * D * V


def test_the_step_of_a_run_counts_its_loss():
  """What the progress line's FLOP/s and MFU rest on: three forwards of the batch, head included."""
  layers = tuple(
    Layer(make(call, MIXERS), Plain()) for call in parse("lstm() | attention(heads=2)")
  )
  objective = LanguageModel(Network(Decoder(vocab=V, width=D, depth=2, layers=layers)))
  batch = {name: jnp.zeros((2, T), jnp.int32) for name in ("tokens_BT", "pos_BT", "labels_BT")}
  batch["weight_BT"] = jnp.ones((2, T))
  params = jax.eval_shape(lambda: objective.init(jax.random.key(0), batch))

  class Loader:
    batch = 6  # of all processes; this one makes 2 rows

    def __call__(self, step):
      return rows

  rows = batch
  state = dict(params=params, extra={"ema": params})
  forward = lstm()[0] + attention(2)[0] + 2 * plain() + 2 * D * V
  assert train.flops_per_step(objective, state, Loader()) == 3 * 6 * T * forward


W = jax.ShapeDtypeStruct((8, 8), jnp.float32)
ONE = 2 * 8**3  # one 8 x 8 product


def chain(w):
  return w @ w


def test_a_scan_counts_as_often_as_it_runs():
  def five(w):
    return jax.lax.scan(lambda x, _: (x @ w, None), w, length=5)[0]

  def nested(w):
    return jax.lax.scan(lambda x, _: (five(x), None), w, length=3)[0]

  assert products(five, W) == 5 * ONE
  assert products(nested, W) == 15 * ONE
  assert products(lambda w: jax.lax.fori_loop(0, 4, lambda _, x: x @ x, w), W) == 4 * ONE


def test_calls_are_looked_into():
  assert products(jax.jit(chain), W) == ONE
  assert products(lambda w: jax.jit(jax.jit(chain))(w) @ w, W) == 2 * ONE
  assert products(jax.checkpoint(chain), W) == ONE
  assert products(jax.vmap(chain), jax.ShapeDtypeStruct((3, 8, 8), jnp.float32)) == 3 * ONE

  @jax.custom_vjp
  def own(w):
    return w @ w

  own.defvjp(lambda w: (w @ w, w), lambda w, g: (g @ w + w @ g,))
  assert products(own, W) == ONE
  assert products(jax.grad(lambda w: jnp.sum(own(w))), W) == 3 * ONE
  assert products(lambda w: jax.lax.cond(w[0, 0] > 0, chain, lambda w: w, w), W) == ONE  # dearest


def test_a_gradient_is_two_more_products_and_rematerialising_one_again():
  def loss(x, w):
    return jnp.sum(jnp.square(x @ w))

  x, w = shapes((4, 8), (8, 6))
  one = 2 * 4 * 8 * 6
  assert products(loss, x, w) == one
  assert products(jax.grad(loss, (0, 1)), x, w) == 3 * one
  assert products(jax.grad(loss, 1), x, w) == 2 * one

  def deep(x, w):  # the square needs the product again
    return jnp.sum(jax.checkpoint(lambda x: jnp.square(x @ w))(x))

  assert products(jax.grad(deep, (0, 1)), x, w) == 4 * one


def test_a_gradient_of_a_layer_is_two_more_of_every_product():
  """Three forwards are what a step costs."""
  (x_BTD,) = shapes((1, T, D))
  module = Plain()
  params = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(x_BTD.shape)))

  def loss(params, x):
    return jnp.sum(jnp.square(module.apply(params, x)))

  with reference_forms():
    both = products(jax.grad(loss, (0, 1)), params, x_BTD)
  assert both == 3 * T * plain()


@pytest.mark.parametrize(
  ("fn", "sizes", "flops"),
  [
    (lambda x, y: jnp.einsum("bij,bjk->bik", x, y), [(3, 4, 5), (3, 5, 6)], 2 * 3 * 4 * 5 * 6),
    (lambda x, y: jnp.einsum("ij,ij->", x, y), [(4, 5), (4, 5)], 2 * 4 * 5),
    (jnp.outer, [(4,), (5,)], 0),  # a broadcast product, counted as element-wise
    (
      lambda x, y: jax.lax.conv_general_dilated(x, y, (1,), "SAME"),
      [(2, 3, 16), (5, 3, 7)],  # batch 2, 3 channels in, 5 out, kernel 7, length 16
      2 * 2 * 16 * 5 * 3 * 7,
    ),
    (
      lambda x, y: jax.lax.conv_general_dilated(x, y, (1,), "SAME", feature_group_count=3),
      [(2, 3, 16), (3, 1, 7)],  # depthwise
      2 * 2 * 16 * 3 * 7,
    ),
  ],
)
def test_products_of_one_operation(fn, sizes, flops):
  assert products(fn, *shapes(*sizes)) == flops


def test_elementwise_work_is_counted_apart_and_movement_is_free():
  x, y = shapes((4, 5), (4, 5))
  assert count(lambda x, y: x * y + 1, x, y) == Flops(0, 40)
  assert count(lambda x: jnp.tanh(x).T.reshape(2, 10)[:, :3], x) == Flops(0, 20)
  assert count(lambda x: jnp.sum(x), x) == Flops(0, 20)
  assert count(lambda x: jnp.concatenate([x, x]), x) == Flops(0, 0)


def test_a_while_loop_is_refused():
  with pytest.raises(ValueError, match="trip count"):
    count(lambda w: jax.lax.while_loop(lambda x: x[0, 0] < 3, chain, w), W)


def test_peaks_are_found_by_the_longest_name():
  class Device:
    def __init__(self, device_kind):
      self.device_kind = device_kind

  assert flops.peak(Device("NVIDIA H200")) == flops.peak(Device("NVIDIA H100 80GB HBM3")) == 989e12
  assert flops.peak(Device("TPU v5 lite")) == 197e12
  assert flops.peak(Device("TPU v5")) == 459e12
  assert flops.peak(Device("cpu")) is None
