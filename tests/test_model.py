"""The network: how depth runs never changes what it computes, and what a config may turn on."""

import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn

from seqlab import build
from seqlab import config as configs
from seqlab.checkpoint import Checkpoints
from seqlab.errors import UserError
from seqlab.flops import count
from seqlab.leaves import by_path
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Gated, Plain
from seqlab.nn.mixers import MIXERS
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.stack import Block, Layer
from seqlab.objectives import Classification, LanguageModel
from seqlab.ops.backend import forced_backend, reference_forms
from seqlab.pretrained import partial_restore
from seqlab.spec import make, parse

B, T, D, V = 2, 6, 8, 16


def decoder(mixer="min_gru()", depth=2, mlp=None, dropout=0.0, norm="rms", **options):
  layers = tuple(Layer(make(call, MIXERS), mlp, norm, dropout) for call in parse(mixer))
  return Decoder(
    vocab=V, width=D, depth=depth, layers=layers, dropout=dropout, norm=norm, **options
  )


def batch():
  tokens = np.random.default_rng(0).integers(0, V, (B, T + 1)).astype(np.int32)
  return dict(
    tokens_BT=tokens[:, :-1],
    labels_BT=tokens[:, 1:],
    pos_BT=np.array([[0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 2, 3]], np.int32),
    weight_BT=np.ones((B, T), np.float32),
  )


def inputs_of(module):
  b = batch()
  return [b["tokens_BT"], b["pos_BT"]] + [b["weight_BT"]] * isinstance(module, Classifier)


@functools.cache
def params_of(module):
  return drawn(Network(module).init, *inputs_of(module))


def shapes_of(module):
  return jax.eval_shape(Network(module).init, jax.random.key(0), *inputs_of(module))


def loss_and_gradients(module, params, key=None):
  objective = LanguageModel(Network(module))

  def loss(params):
    return objective.loss("model", {"model": params}, batch(), key, {})[0]

  return jax.jit(jax.value_and_grad(loss))(params)


def close(a, b, tolerance=2e-6):
  a, b = by_path(a), by_path(b)
  assert a.keys() == b.keys() and a
  for path in a:
    np.testing.assert_allclose(a[path], b[path], atol=tolerance, rtol=1e-5, err_msg=path)


PATTERN = "attention(heads=2) | min_gru()"


@pytest.mark.parametrize(
  "how",
  [
    dict(unroll=1),
    dict(remat="dots"),
    dict(remat="offload"),
    dict(remat="full"),
    dict(unroll=1, remat="full"),
  ],
  ids=str,
)
def test_how_depth_runs_changes_no_loss_and_no_gradient(how):
  """One parameter tree for all: a choice of speed and memory never changes a checkpoint."""
  usual = decoder(PATTERN, 5, Plain(ratio=2))
  other = decoder(PATTERN, 5, Plain(ratio=2), **how)
  assert by_path(shapes_of(other)) == by_path(shapes_of(usual))
  wanted = usual_loss()
  close(loss_and_gradients(other, params_of(usual)), wanted)


@functools.cache
def usual_loss():
  module = decoder(PATTERN, 5, Plain(ratio=2))
  return loss_and_gradients(module, params_of(module))


def test_remat_keeps_the_drops_of_the_forward_pass():
  """The backward pass must draw the same masks again."""
  key, found = jax.random.key(3), []
  for remat in ("none", "full"):
    module = decoder("attention(heads=2, dropout=0.2)", dropout=0.3, remat=remat)
    found.append(loss_and_gradients(module, params_of(decoder("attention(heads=2)")), key))
  close(*found)


def test_a_pattern_repeats_over_depth_and_ends_in_a_tail():
  """Five blocks of a pattern of two: [a b a b] stacked, then a."""
  paths = by_path(shapes_of(decoder(PATTERN, 5)))
  assert paths["stack/layers_L/block0/mixer/q_DHK"].shape == (2, D, 2, D // 2)
  assert paths["stack/layers_L/block1/mixer/w_DGF"].shape == (2, D, 2, D)
  assert paths["stack/tail/block0/mixer/q_DHK"].shape == (D, 2, D // 2)
  assert not [p for p in paths if "tail/block1" in p]
  fewer = by_path(shapes_of(decoder(PATTERN, 1)))  # depth below the pattern: all tail
  assert not [p for p in fewer if "layers_L" in p] and [p for p in fewer if "tail/block0" in p]


def test_a_stack_is_its_blocks_one_after_the_other():
  """Layer i of the stacked parameters is block i: what a scan or an unrolled loop could mix up."""
  module, b = decoder(PATTERN, 5), batch()
  params = params_of(module)
  whole_BTD, _ = Network(module)(params, b["tokens_BT"], b["pos_BT"])
  stack, x_BTD = params["stack"], params["embed_VD"][b["tokens_BT"]]
  for turn in range(2):
    for i, layer in enumerate(module.layers):
      own = jax.tree.map(operator.itemgetter(turn), stack["layers_L"][f"block{i}"])
      x_BTD, _ = Block(layer).apply({"params": own}, x_BTD, b["pos_BT"], None, None, False)
  tail = stack["tail"]["block0"]
  x_BTD, _ = Block(module.layers[0]).apply({"params": tail}, x_BTD, b["pos_BT"], None, None, False)
  x_BTD /= jnp.sqrt(jnp.mean(jnp.square(x_BTD), -1, keepdims=True) + 1e-6)
  wanted_BTD = x_BTD * params["final_norm"]["scale_D"]
  np.testing.assert_allclose(whole_BTD, wanted_BTD, atol=1e-4, rtol=1e-4)


def test_plain_layers_read_one_another_and_nothing_is_added_or_normed():
  layer = Layer(MIXERS["lstm"](hidden=5), None, norm="none", residual=False)
  network = Network(Decoder(vocab=V, width=D, depth=2, layers=(layer,), norm="none"))
  pos_BT = batch()["pos_BT"]
  params = network.init(jax.random.key(0), *inputs_of(network.module))
  assert not [name for name in by_path(params) if "norm" in name]
  wanted_BTD = params["embed_VD"][batch()["tokens_BT"]]
  for one in network.unrolled(params)["stack"]["layers_L"]:
    wanted_BTD, _ = layer.mixer.apply({"params": one["block0"]["mixer"]}, wanted_BTD, pos_BT)
  found_BTD, _ = network(params, batch()["tokens_BT"], pos_BT)
  np.testing.assert_allclose(found_BTD, wanted_BTD, rtol=1e-5, atol=1e-6)
  # what writes to no stream keeps the scale of its fan-in, at any depth
  deep = Network(Decoder(vocab=V, width=D, depth=8, layers=(layer,), norm="none"))
  out_LFD = deep.init(jax.random.key(0), *inputs_of(deep.module))["stack"]["layers_L"]["block0"]
  assert 0.8 < float(jnp.std(out_LFD["mixer"]["out_FD"])) * math.sqrt(5) < 1.2


def test_remat_computes_again_what_its_name_says():
  """Products of a gradient: "dots" keeps them all, "full" makes them again."""

  def products(remat):
    module = decoder("min_gru()", 4, Plain(ratio=2), remat=remat)
    objective = LanguageModel(Network(module))

    def loss(params):
      return objective.loss("model", {"model": params}, batch(), None, {})[0]

    with reference_forms():
      return count(loss, params_of(module)).products, count(
        jax.grad(loss), params_of(module)
      ).products

  forward, usual = products("none")
  assert products("dots") == products("offload") == (forward, usual)
  # The gates' product and the first of the channel mixing; what the second gives nobody reads.
  again = 4 * B * T * (2 * D * 2 * D + 2 * D * 2 * D)
  assert products("full") == (forward, usual + again)


@pytest.mark.parametrize("mixer", [PATTERN, "lstm()"])
def test_bfloat16_computes_in_it_and_keeps_float32_masters_and_losses(mixer):
  half = decoder(mixer, dtype="bfloat16", mlp=Gated())
  full = decoder(mixer, mlp=Gated())
  params = params_of(full)
  assert {x.dtype for x in jax.tree.leaves(shapes_of(half))} == {jnp.dtype(jnp.float32)}
  b = batch()
  x_BTD, _ = jax.eval_shape(Network(half), params, b["tokens_BT"], b["pos_BT"])
  assert x_BTD.dtype == jnp.bfloat16
  logits_BTV = jax.eval_shape(functools.partial(Network(half), method="logits"), params, x_BTD)
  assert logits_BTV.dtype == jnp.float32 and logits_BTV.shape == (B, T, V)
  loss, grads = loss_and_gradients(half, params)
  assert loss.dtype == jnp.float32
  assert {x.dtype for x in jax.tree.leaves(grads)} == {jnp.dtype(jnp.float32)}
  wanted = loss_and_gradients(full, params)[0]
  assert float(loss) != float(wanted) and float(loss) == pytest.approx(float(wanted), rel=0.05)


def features(module, params, **change):
  b = {**batch(), **change}
  return Network(module)(params, b["tokens_BT"], b["pos_BT"])[0]


def test_learned_positions_are_added_by_position_in_the_document():
  module, plain = decoder(length=T), decoder()
  params = params_of(module)
  assert params["position_SD"].shape == (T, D)
  assert "position_SD" not in params_of(plain)
  zero = {**params, "position_SD": jnp.zeros((T, D))}
  np.testing.assert_array_equal(features(module, zero), features(plain, params))
  assert not np.allclose(features(module, params), features(plain, params))
  # The second row's second document starts at time 2, with the table's first row again.
  only = {**params, "position_SD": params["position_SD"].at[4:].set(100.0)}
  moved = features(module, only) != features(module, params)
  assert moved[0, 4:].all() and not moved[0, :4].any() and not moved[1].any()


@pytest.mark.parametrize("tied", [True, False])
def test_the_head_is_the_embedding_or_its_own(tied):
  module = decoder(tied=tied)
  params = params_of(module)
  assert ("head_DV" in params) is not tied
  head_VD = Network(module)(params, method="unembedding")
  np.testing.assert_array_equal(head_VD, params["embed_VD"] if tied else params["head_DV"].T)
  x_BTD = features(module, params)
  logits_BTV = Network(module)(params, x_BTD, method="logits")
  np.testing.assert_allclose(logits_BTV, x_BTD @ head_VD.T, atol=1e-4)


@pytest.mark.parametrize(
  ("mixer", "mlp", "rates"),
  [
    ("min_gru()", None, dict(dropout=0.5)),
    ("attention(heads=2, dropout=0.5)", None, {}),
    ("min_gru()", Plain(dropout=0.5), {}),
    ("min_gru()", Gated(dropout=0.5), {}),
  ],
)
def test_dropout_needs_a_key(mixer, mlp, rates):
  module, plain = decoder(mixer, mlp=mlp, **rates), decoder(mixer, mlp=mlp and type(mlp)())
  params = params_of(plain)
  run, b = Network(module), batch()
  inputs = params, b["tokens_BT"], b["pos_BT"], None
  np.testing.assert_array_equal(run(*inputs)[0], Network(plain)(*inputs)[0])
  one, again, other = (run(*inputs, key=jax.random.key(k))[0] for k in (0, 0, 1))
  np.testing.assert_array_equal(one, again)
  assert not np.allclose(one, other) and not np.allclose(one, run(*inputs)[0])


@pytest.mark.parametrize(("length", "state"), [(6, False), (5, True), (1, True)])
def test_attention_drops_weights_and_keeps_their_mean(length, state):
  """Without a state and with one, where a single token has a form of its own."""
  plain, mixer = (Attention(heads=2, dropout=rate) for rate in (0.0, 0.4))
  random = np.random.default_rng(0)
  x_BTD, pos_BT = random.normal(size=(1, 4 + length, 8)).astype("f4"), np.arange(4 + length)[None]
  params = drawn(plain.init, x_BTD, pos_BT)
  before = None
  if state:
    before = plain.apply(params, x_BTD[:, :4], pos_BT[:, :4], plain.init_state(1, 8, 16))[1]
    x_BTD, pos_BT = x_BTD[:, 4:], pos_BT[:, 4:]
  given = params, x_BTD, pos_BT, before
  keys = jax.random.split(jax.random.key(0), 4000)
  run = jax.jit(jax.vmap(lambda key: mixer.apply(*given, rngs={"dropout": key})[0]))
  many, wanted = np.asarray(run(keys)), plain.apply(*given)[0]
  error = many.std(0) / np.sqrt(len(keys))
  assert (error > 0).all() and (abs(many.mean(0) - wanted) < 5 * error).all()
  np.testing.assert_array_equal(mixer.apply(*given)[0], wanted)


def test_weights_start_at_their_scales():
  """1/sqrt(fan-in); 0.02 for tables; what writes to the residual stream 1/sqrt(2 depth) of it."""
  depth, width = 8, 64
  layers = (Layer(MIXERS["attention"](heads=4), Plain(ratio=2)),)
  module = Decoder(vocab=256, width=width, depth=depth, layers=layers, tied=False, length=128)
  tokens = jnp.zeros((1, 4), jnp.int32)
  params = by_path(jax.jit(Network(module).init)(jax.random.key(0), tokens, tokens))
  block, residual = "stack/layers_L/block0", 1 / math.sqrt(2 * depth)
  wanted = {
    "embed_VD": 0.02,
    "position_SD": 0.02,
    "head_DV": 1 / math.sqrt(width),
    f"{block}/mixer/q_DHK": 1 / math.sqrt(width),
    f"{block}/mixer/out_HKD": residual / math.sqrt(width),
    f"{block}/mlp/in_DF": 1 / math.sqrt(width),
    f"{block}/mlp/out_FD": residual / math.sqrt(2 * width),
  }
  for path, std in wanted.items():
    assert float(jnp.std(params[path])) == pytest.approx(std, rel=0.05), path
    assert abs(float(jnp.mean(params[path]))) < 0.05 * std, path
  small = by_path(jax.jit(Network(module, std=0.03).init)(jax.random.key(0), tokens, tokens))
  for path in wanted:
    std = 0.03 * (residual if "out_" in path else 1) if "block" in path else wanted[path]
    assert float(jnp.std(small[path])) == pytest.approx(std, rel=0.05), path
  assert not np.array_equal(*params[f"{block}/mixer/q_DHK"][:2])  # layers draw apart
  assert np.all(params[f"{block}/mixer_norm/scale_D"] == 1)
  # So the first loss is near log(vocab).
  short = decoder("attention(heads=2)", 2, Plain())
  fresh = Network(short).init(jax.random.key(0), batch()["tokens_BT"], batch()["pos_BT"])
  assert float(loss_and_gradients(short, fresh)[0]) == pytest.approx(math.log(V), rel=0.05)


def test_a_decoder_restores_into_a_classifier_all_but_the_class_head(tmp_path):
  pretrained = params_of(decoder(PATTERN, 3))
  classifier = Classifier(decoder(PATTERN, 3), classes=3)
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, {"params": {"model": pretrained}})
  fresh = jax.tree.map(lambda s: jnp.full(s.shape, 7.0), shapes_of(classifier))
  params, report = partial_restore(tmp_path, fresh, source="params/model")
  assert report.missing == ("classes_DC", "classes_bias_C")
  assert not report.unexpected and not report.mismatched
  assert set(report.taken) == set(by_path(pretrained))
  for path, leaf in by_path(params).items():
    wanted = by_path(pretrained).get(path, np.full(leaf.shape, 7.0))
    np.testing.assert_array_equal(leaf, wanted, err_msg=path)


@pytest.mark.parametrize("pool", ["mean", "last"])
@pytest.mark.parametrize("mixer", ["attention(heads=2)", "min_gru()"])
def test_pooling_sees_no_padding(pool, mixer):
  """A text alone, and the same with padding behind it (whatever its ids), score alike."""
  classifier = Classifier(decoder(mixer), classes=3, pool=pool)
  params, run = params_of(classifier), Network(classifier)
  tokens = batch()["tokens_BT"][:1]
  weight = (np.arange(T) < 4)[None].astype(np.float32)
  pos = np.where(weight > 0, np.arange(T), 0).astype(np.int32)
  alone = run(params, tokens[:, :4], pos[:, :4], weight[:, :4])
  for other in (tokens, (tokens + 5) % V):
    padded = np.where(weight > 0, tokens, other)
    np.testing.assert_allclose(run(params, padded, pos, weight), alone, atol=1e-5)
  longer = run(params, tokens[:, :5], np.arange(5)[None], np.ones((1, 5), np.float32))
  assert not np.allclose(longer, alone, atol=1e-3)
  # A row of nothing but padding (which fills up the last batch) is finite.
  assert np.isfinite(run(params, tokens, pos * 0, weight * 0)).all()


def test_pools_are_what_they_say():
  module = decoder()
  b = batch()
  x_BTD = features(module, params_of(module))
  weight = np.array([[1, 1, 1, 0, 0, 0], [1] * 6], np.float32)
  pooled = {
    "mean": np.stack([x_BTD[0, :3].mean(0), x_BTD[1].mean(0)]),
    "first": x_BTD[:, 0],
    "last": np.stack([x_BTD[0, 2], x_BTD[1, 5]]),
  }
  for pool, x_BD in pooled.items():
    classifier = Classifier(module, classes=3, pool=pool)
    head = {"classes_DC": jnp.ones((D, 3)) * jnp.arange(3), "classes_bias_C": jnp.arange(3.0)}
    logits = Network(classifier)({**params_of(module), **head}, b["tokens_BT"], b["pos_BT"], weight)
    wanted = x_BD @ np.asarray(head["classes_DC"]) + np.arange(3.0)
    np.testing.assert_allclose(logits, wanted, atol=1e-4)


def test_classification_counts_real_rows_alone():
  classifier = Classifier(decoder(), classes=3)
  objective = Classification(Network(classifier), label_smoothing=0.1)
  params = {"model": params_of(classifier)}
  b = {**batch(), "label_B": np.array([0, 2], np.int32), "weight_B": np.ones(2, np.float32)}
  scalar, both, _ = objective.loss("model", params, b, None, {})
  logits = Network(classifier)(params["model"], b["tokens_BT"], b["pos_BT"], b["weight_BT"])
  log_p = np.asarray(jax.nn.log_softmax(logits))
  nll = -log_p[[0, 1], [0, 2]]
  assert float(scalar) == pytest.approx(np.mean(0.9 * nll - 0.1 * log_p.mean(-1)), rel=1e-5)
  assert float(both["loss"][0]) == pytest.approx(nll.sum(), rel=1e-5)  # without the smoothing
  assert float(both["accuracy"][0]) == np.sum(log_p.argmax(-1) == [0, 2])
  one = objective.loss("model", params, {**b, "weight_B": np.array([1.0, 0.0])}, None, {})[1]
  assert float(one["loss"][0]) == pytest.approx(nll[0], rel=1e-5) and float(one["loss"][1]) == 1


def test_products_wait_in_the_memory_of_the_host():
  """In the forms of accelerators; that of a CPU keeps no product of `dense`."""

  def sent(remat):
    module = decoder("min_gru()", 4, Plain(ratio=2), remat=remat)
    objective = LanguageModel(Network(module))

    def loss(params):
      return objective.loss("model", {"model": params}, batch(), None, {})[0]

    with forced_backend("tpu"):
      return str(jax.make_jaxpr(jax.grad(loss))(params_of(module))).count("MemorySpace.Host")

  # The gates' product and the first of the channel mixing; what the second gives nobody reads.
  assert (sent("dots"), sent("offload")) == (0, 2)


def test_devices_that_reach_no_memory_of_the_host_are_told_of(monkeypatch):
  config = configs.load("", ["model.remat=offload"])
  build.make_mesh(config)
  monkeypatch.setattr("seqlab.nn.stack.HOST", "memory of no kind")
  with pytest.raises(UserError, match="'dots' and 'full' need none"):
    build.make_mesh(config)


@pytest.mark.parametrize(("remat", "share"), [("full", 0.6), ("dots", 1.0)])
def test_remat_takes_less_memory_at_the_default_unroll(remat, share):
  """Unrolled, XLA would undo it: the same memory for more work."""

  def memory(remat):
    layer = Layer(MIXERS["attention"](heads=2), Plain(ratio=4))
    network = Network(Decoder(vocab=16, width=32, depth=6, layers=(layer,), remat=remat))
    tokens_BT = jnp.zeros((4, 64), jnp.int32)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), tokens_BT, tokens_BT))
    loss = jax.grad(lambda p: jnp.sum(network(p, tokens_BT, tokens_BT)[0]))
    return jax.jit(loss).lower(params).compile().memory_analysis().temp_size_in_bytes

  assert memory(remat) < share * memory("none")
