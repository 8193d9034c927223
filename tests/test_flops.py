"""FLOPs read off a jaxpr equal the formulas of the papers, which live here alone."""

import jax
import jax.numpy as jnp
import pytest

from seqlab import config as configs
from seqlab import costs, flops, train
from seqlab.axes import letters
from seqlab.flops import Flops, count
from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Gated, Plain
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


def min_lstm(**given):
  return recurrence(3, 1, recurrent=False, **given)


def counted(weights, more_parameters, state, more_products=0):
  """Of a mixer whose every weight is in one product a token."""
  return 2 * weights + more_products, weights + more_parameters, 4 * state


def lru(hidden=D):
  return counted(2 * D * 2 * hidden, 3 * hidden + D, 2 * hidden)


def s5(hidden=D // 2, blocks=1):
  return lru(hidden)


def rg_lru(hidden=D, heads=4, conv=4):
  F = hidden
  return counted(3 * D * F + 2 * F * F // heads, (conv + 4) * F, conv * F)


def mamba2(heads=4, states=64, expand=2, conv=4):
  E, N = expand * D, states
  weights, read = 3 * D * E + 2 * D * N + D * heads, E + 2 * N
  return counted(
    weights, (conv + 1) * read + 3 * heads + E, N * E + (conv - 1) * read, 2 * 2 * N * E
  )


def gla(heads=4, key_width=D // 8, rank=16):
  N = heads * key_width
  weights = 2 * D * N + 3 * D * D + D * rank + rank * N
  return counted(weights, N + D // heads, key_width * D, 2 * 2 * key_width * D)


def delta_net(heads=4, key_width=0, value_width=0, conv=4, negative=False, gate=False):
  key, value = key_width or D // heads, value_width or D // heads
  V, qkv = heads * value, heads * (2 * key + value)
  weights = D * qkv + D * heads + V * D + gate * (D * V + D * heads)
  more = conv * qkv + value + gate * 2 * heads
  return counted(weights, more, key * V + (conv - 1) * qkv, 3 * 2 * key * V)


def gated_delta_net(**given):
  return delta_net(gate=True, **given)


def slstm(heads=4, conv=4):
  weights = 5 * D * D + 4 * D * D // heads
  convolved = (conv + 1) * D if conv else 0
  return counted(weights, 4 * D + D // heads + convolved, (4 + max(conv - 1, 0)) * D)


def mlstm(heads=4, expand=2, conv=4):
  E = expand * D
  K = E // heads
  weights = 3 * D * E + 3 * E * K + 3 * E * 2
  state = K * E + E + heads + (conv - 1) * E
  return counted(weights, (conv + 2) * E + 2 * heads + K, state, 2 * 2 * K * E + 2 * E)


def retention(heads=4, expand=2):
  V, K = expand * D, D // heads
  return counted(2 * D * D + 3 * D * V, V // heads, K * V, 2 * 2 * K * V)


def linear_attention(heads=4, feature="elu", key_width=D // 4):
  features = key_width if feature == "elu" else 1 + key_width + key_width**2
  state = features * (D + heads)
  return counted(2 * D * heads * key_width + 2 * D * D, 0, state, 2 * 2 * state)


def mamba(states=16, expand=2, conv=4, rank=2):
  E, N = expand * D, states
  weights = 3 * D * E + 2 * E * N + 2 * E * rank
  return counted(weights, (conv + 3) * E + E * N, E * N + (conv - 1) * E, 2 * E * N)


def s4d(states=32):
  return counted(D * D, 4 * D * states + 2 * D, 2 * D * states)


def rwkv4():
  return counted(4 * D * D, 5 * D, 4 * D)


def rwkv7(heads=4, rank=D // 4):
  K = D // heads
  return counted(4 * D * D + 6 * D * rank, 11 * D + K, D + K * D, 4 * 2 * K * D)


def mla(heads=4, latent=D // 2, rope_width=0, head_width=0, window=0):
  K = head_width or D // heads
  turned, slots = rope_width or max(K // 4 * 2, 2), window or T + 1
  weights = D * (heads * (2 * K + turned) + latent + turned) + 2 * latent * heads * K
  scores = 2 * T * heads * (2 * K + turned)
  return counted(weights, latent, slots * (latent + turned + 1) + 1, scores)


def differential_attention(heads=2, window=0):
  size, slots = D // (2 * heads), window or T + 1
  scores = 2 * 2 * T * heads * 3 * size
  return counted(4 * D * D, 6 * size, slots * (2 * D + 1) + 1, scores)


def short_conv(size=3):
  return counted(4 * D * D, size * D, (size - 1) * D)


def qrnn(size=2, hidden=0):
  F = hidden or D
  return counted(size * D * 3 * F + (F * D if hidden else 0), 3 * F, F + (size - 1) * D)


def tcn(size=3, dilations=(1, 2, 4, 8)):
  convolutions = len(dilations)
  weights = (convolutions * size + 1) * D * D
  return counted(weights, convolutions * D, (size - 1) * sum(dilations) * D)


def hyena(length=1024, filter_width=64, conv=3):
  units = filter_width
  inside = 3 * units + 2 * units**2 + units * D  # weights of the filter, read once a lag
  past = min(length - 1, T + 1)
  more = inside + (3 * conv + 1) * D + 3 * units
  lags = 64 * -(-min(length, T) // 64)  # in blocks
  return counted(4 * D * D, more, (past + 3 * (conv - 1)) * D, 2 * inside * lags / T)


def parallel(left, right):
  one, other = (FORMULAS[call.name](**call.kwargs) for call in map(parse_one, (left, right)))
  return one[0] + other[0], one[1] + other[1] + 2 * D, one[2] + other[2]


FORMULAS = {
  made.__name__: made
  for made in (
    attention, delta_net, differential_attention, gated_delta_net, gla, gru, hyena,
    linear_attention, lru, lstm, mamba, mamba2, min_gru, min_lstm, mla, mlstm, parallel, qrnn,
    retention, rg_lru, rnn, rwkv4, rwkv7, s4d, s5, short_conv, slstm, tcn,
  )
}  # fmt: skip

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
  "min_lstm()",
  "lru()",
  "lru(hidden=10)",
  "s5()",
  "s5(hidden=10, blocks=2)",
  "rg_lru()",
  "rg_lru(hidden=10, heads=2, conv=3)",
  "mamba2()",
  "mamba2(heads=2, states=10, expand=3, conv=2)",
  "gla()",
  "gla(heads=2, key_width=5, rank=3)",
  "delta_net()",
  "delta_net(heads=2, key_width=5, value_width=7, conv=3)",
  "gated_delta_net()",
  "slstm()",
  "slstm(heads=2, conv=0)",
  "mlstm()",
  "mlstm(heads=2, expand=1, conv=2)",
  "retention()",
  "linear_attention()",
  "linear_attention(heads=2, feature='taylor', key_width=3)",
  "mamba()",
  "mamba(states=5, expand=1, conv=2, rank=3)",
  "s4d()",
  "rwkv4()",
  "rwkv7()",
  "rwkv7(heads=2, rank=3)",
  "mla()",
  "mla(heads=2, latent=5, rope_width=4, head_width=7, window=6)",
  "differential_attention()",
  "differential_attention(heads=3, window=6)",
  "short_conv()",
  "qrnn()",
  "qrnn(size=3, hidden=10)",
  "tcn()",
  "hyena()",
  "hyena(length=6, filter_width=8, conv=2)",
  "parallel(left='lstm()', right='attention(heads=4)')",
)


def test_every_mixer_has_a_formula_here():
  assert set(FORMULAS) == set(MIXERS) == {parse_one(spec).name for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS)
def test_costs_of_a_mixer_are_its_formula(spec):
  call = parse_one(spec)
  mixer = make(call, MIXERS)
  found = costs.mixer_costs(mixer, D, T)
  products, parameters, state = FORMULAS[call.name](**call.kwargs)
  assert found["products"] == products
  assert found["parameters"] == parameters
  assert found["state_bytes"] == state
  one = products  # the same of one more token, but for attention's scores: over the slots it has
  if call.name == "attention":
    slots, each = call.kwargs.get("window", T + 1), call.kwargs.get("head_width", D // 4)
    one += 2 * 2 * (slots - T) * call.kwargs["heads"] * each
    assert one < found["decode"] < 1.5 * one  # with the element-wise work
  longer = costs.mixer_costs(mixer, D, 2 * T)
  if not any("S" in letters(path) for path in by_path(mixer.init_state(1, D, T))):
    # a state of fixed size: no token costs more than another, and one alone little more than one of
    # many, which share what is made of parameters (half of what S4D does)
    share = found["decode"] / (found["products"] + found["elementwise"])
    assert 1 - 1e-9 <= share < (2.1 if call.name == "s4d" else 1.15)
    for name in ("products", "decode", "state_bytes"):
      assert longer[name] == found[name], name


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


def test_a_complex_product_is_six_real_ones():
  z = jnp.ones(5, jnp.complex64)
  assert count(lambda z: z * z, z) == Flops(elementwise=30)
  assert count(lambda z: z + z, z) == Flops(elementwise=10)


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
