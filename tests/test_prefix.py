"""Prefixes: attention that sees them on both sides, the rows that have them, and what is written on
from them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn
from members import mixer
from numbered import numbered_corpus

from seqlab import build, config
from seqlab.beam import Beam
from seqlab.data.learned import Learned
from seqlab.data.loader import Loader
from seqlab.data.tokenizers import Bytes
from seqlab.decode import Decoding, Draw
from seqlab.models.network import Network
from seqlab.models.prefix_decoder import PrefixDecoder
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.base import prefixed
from seqlab.nn.stack import Layer
from seqlab.ops.attention import attention
from seqlab.ops.attention_weights import Mask, attention_naive

EOT, PAD, VOCAB = 6, 7, 8
POS_BT = np.array([[0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2]], np.int32)
PREFIX_BT = np.array([[1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0]], bool)


def test_the_fast_form_equals_the_naive_one():
  draw, length = np.random.default_rng(0), 130  # enough for the op to skip keys
  q, k, v = (draw.normal(size=(1, heads, length, 2)).astype("f4") for heads in (2, 1, 1))
  segment = np.sort(draw.integers(0, 3, (1, length)), 1)
  time = np.arange(length, dtype=np.int32)
  prefix = draw.random((1, length)) < 0.3
  mask = Mask(segment, segment, time, time, prefix_BS=prefix)

  @jax.jit
  def every(q, k, v):
    def one(form):
      y, back = jax.vjp(lambda *x: form(*x, mask), q, k, v)
      return y, back(jnp.cos(y))

    return one(attention), one(attention_naive)

  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *every(q, k, v))


KINDS = (
  *("attention(heads=2)", "mla(heads=2)", "differential_attention(heads=2)"),
  "parallel(left='min_gru()', right='attention(heads=2)')",
)


@pytest.fixture(scope="module", params=KINDS)
def member(request):
  """A kind of attention over a prefix, and what it makes of the documents above."""
  made = prefixed(mixer(request.param))
  assert made.reads_prefix
  x_BTD = np.random.default_rng(1).normal(size=(1, 12, 8)).astype("f4")
  return made, drawn(made.init, x_BTD, POS_BT), x_BTD, jax.jit(made.apply)


def test_a_token_sees_what_came_before_and_its_prefix(member):
  made, params, x_BTD, _ = member
  weight_D = np.arange(1.0, 9.0)

  @jax.jit
  def reach(x_BTD):
    y = lambda x: made.apply(params, x, POS_BT, None, PREFIX_BT)[0] @ weight_D  # noqa: E731
    return jnp.abs(jax.jacobian(y)(x_BTD)).sum(-1)[0, :, 0]

  document = np.cumsum(POS_BT[0] == 0)
  seen = np.tri(12, dtype=bool) | PREFIX_BT
  wanted = seen & (document[:, None] == document)
  np.testing.assert_array_equal(np.asarray(reach(x_BTD)) > 0, wanted)


def test_a_prefix_is_read_whole_and_all_else_may_be_cut(member):
  made, params, x_BTD, apply = member
  whole, _ = apply(params, x_BTD, POS_BT, None, PREFIX_BT)
  state, pieces, at = made.init_state(1, 8, 12), [], 0
  for size in (4, 1, 4, 1, 1, 1):
    here = (slice(None), slice(at, at + size))
    y, state = apply(params, x_BTD[here], POS_BT[here], state, PREFIX_BT[here])
    pieces.append(y)
    at += size
  np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=2e-5)


def test_mixers_without_the_form_stay_what_they_are():
  class Mine(Attention):
    gain: float = 2.0

  for one in (mixer("lstm()"), Mine(heads=2)):
    assert prefixed(one) is one and not one.reads_prefix


@pytest.fixture(scope="module")
def model():
  layers = (Layer(prefixed(mixer("attention(heads=2)")), None),)
  network = Network(PrefixDecoder(vocab=VOCAB, width=16, depth=2, layers=layers))
  ids_BT = np.zeros((1, 16), np.int32)

  @jax.jit
  def logits(params, tokens_BT, pos_BT, prefix_BT):
    x_BTD, _ = network(params, tokens_BT, pos_BT, None, prefix_BT)
    return network(params, x_BTD, method="logits")

  return network, drawn(network.init, ids_BT, ids_BT), logits


SOURCES = ([1, 2, 3, 4], [5], [2, 2, 1])


def log_probabilities(model, prefix, rest):
  """Of the token after each of `rest`, which follows a prefix: all in one call."""
  row, room = [*prefix, *rest], 16 - len(prefix) - len(rest)
  tokens, pos = np.array([row + [PAD] * room]), np.array([[*range(len(row)), *[0] * room]])
  inside = np.array([[1] * len(prefix) + [0] * (16 - len(prefix))])
  scores = np.array(model[2](model[1], tokens, pos, inside))[0, len(prefix) - 1 : len(row)]
  scores[:, PAD] = -np.inf
  return np.asarray(jax.nn.log_softmax(scores[-len(rest) - 1 :]))


def test_what_is_written_from_sources_of_other_lengths(model):
  network, params, _ = model
  source_BS = np.full((3, 6), PAD, np.int32)
  pos_BS, number_BS = np.zeros((3, 6), np.int32), np.full((3, 6), -2, np.int32)
  for row, ids in enumerate(SOURCES):
    here = (row, slice(5 - len(ids), 6))
    source_BS[here], pos_BS[here], number_BS[here] = [EOT, *ids], np.arange(len(ids) + 1), 0
  search = Beam(network, EOT, VOCAB, silent=(PAD,), beams=2, penalty=0.0)
  free_BT = np.full((3, 4), -1, np.int32)
  tokens_BKT, length_BK, score_BK = search(params, free_BT, (source_BS, pos_BS, number_BS))
  for row, source in enumerate(SOURCES):
    for place in range(2):
      text = tokens_BKT[row, place, : length_BK[row, place]].tolist()
      told = [*text, EOT][:4]
      logp = log_probabilities(model, [EOT, *source], [EOT, *told[:-1]])[1:]
      wanted = sum(logp[at, token] for at, token in enumerate(told))
      np.testing.assert_allclose(score_BK[row, place], wanted, atol=1e-4)


def test_prompts_are_read_as_prefixes(model):
  network, params, _ = model
  prompts = [np.array([EOT, *ids], np.int32) for ids in SOURCES]
  decoding = Decoding(network, Draw(temperature=0), eot=EOT, ids=VOCAB, silent=(PAD,), chunk=3)
  pieces = list(decoding(params, prompts, 5))
  for row, prompt in enumerate(prompts):
    found = np.concatenate([new[row] for new in pieces]).tolist()
    logp = log_probabilities(model, prompt.tolist(), found)
    assert logp.argmax(1).tolist()[:5] == [*found, EOT][:5]
  plain = log_probabilities(model, [EOT], [1, 2, 3, 4])[-1]
  read = log_probabilities(model, [EOT, 1, 2, 3, 4], [])[-1]
  assert abs(plain[:PAD] - read[:PAD]).max() > 1e-3


SIZES = (37, 2, 5, 100, 3, 60, 11, 4)


def test_rows_of_prefixes_tell_what_follows_them():
  loader = lambda **o: Loader(  # noqa: E731
    numbered_corpus(SIZES), **(dict(length=32, batch=3, rows="prefixes", train=False) | o)
  )
  one, packed = loader(), loader(rows="packed")
  share = []
  for step in range(one.steps_per_epoch):
    batch, whole = one(step), packed(step)
    assert all((batch[k] == whole[k]).all() for k in ("tokens_BT", "pos_BT", "labels_BT"))
    real = whole["weight_BT"] > 0
    starts = (batch["pos_BT"] == 0) & real
    assert batch["prefix_BT"][starts].all() and not batch["prefix_BT"][~real].any()
    follows = np.roll(batch["prefix_BT"], -1, 1) * (np.roll(batch["pos_BT"], -1, 1) > 0)
    follows[:, -1] = 0  # the next token lies in the row's prefix: it is seen, not told
    np.testing.assert_array_equal(batch["weight_BT"], real & (follows == 0))
    share.append(batch["prefix_BT"].sum() / real.sum())
  assert 0.3 < np.mean(share) < 0.7
  same = loader(seed=0, batch=2)
  np.testing.assert_array_equal(same(0)["prefix_BT"], one(0)["prefix_BT"][:2])
  train = loader(train=True, batch=one.steps_per_epoch * 3)  # a step is an epoch
  cuts = [
    {row[0]: prefix.sum() for row, prefix in zip(b["tokens_BT"], b["prefix_BT"], strict=True)}
    for b in map(train, (0, 3))
  ]
  assert cuts[0].keys() == cuts[1].keys() and cuts[0] != cuts[1], "another epoch, other prefixes"


def test_a_decoder_of_pairs_has_the_parameters_of_a_language_model():
  flags = [
    "model.width=16",
    "model.depth=2",
    "model.mixer=attention(heads=2) | lstm()",
    "length=16",
  ]
  learned = Learned([], "", Bytes())

  def objective(*more):
    made = config.load("", [*flags, *more])
    build.check(made)
    one = build.make_objective(made, learned)
    batch = build.example(made, learned, 1)
    return one, jax.eval_shape(lambda b: one.init(jax.random.key(0), b), batch), batch

  _, wanted, _ = objective()
  pairs = "objective=sequence_to_sequence()"
  for model in ("prefix_decoder", "prefix_decoder(both_ways=False)"):
    one, found, batch = objective(f"model.name={model}", pairs)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, wanted)
    assert set(batch) == {"tokens_BT", "pos_BT", "prefix_BT", "labels_BT", "weight_BT"}
    mixers = [layer.mixer for layer in one.network.module.layers]
    assert [m.reads_prefix for m in mixers] == ["False" not in model, False]
