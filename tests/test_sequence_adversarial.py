"""The game over texts: what is drawn, and gradients of what cannot be differentiated."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn
from scipy.special import expit, log_softmax

from seqlab import networks
from seqlab.cli import main
from seqlab.config import load
from seqlab.laws import same_on_a_mesh
from seqlab.leaves import by_path
from seqlab.networks import Ends
from seqlab.objectives.base import content
from seqlab.objectives.sequence_adversarial import SequenceAdversarial
from seqlab.ops.categorical import categorical

IDS, EOT, PAD, ROWS, LENGTH = 5, 3, 4, 8, 3


def game(**options):
  flags = ["model.width=8", "model.depth=1", "model.mixer=min_gru()", "model.mlp=none()"]
  name = "model.name=sequence_gan(windows=(2,), channels=4, judge_width=6, judge_dropout=0.0)"
  config = load("", [*flags, name, f"length={LENGTH}"])
  network = networks.make_network(config, Ends(IDS))
  return SequenceAdversarial(network, IDS, PAD, EOT, **options)


def batch(rows=ROWS):
  labels_BT = np.random.default_rng(1).integers(0, 3, (rows, LENGTH)).astype(np.int32)
  labels_BT[:, -1] = EOT
  return dict(
    tokens_BT=np.roll(labels_BT, 1, 1),
    pos_BT=np.tile(np.arange(LENGTH, dtype=np.int32), (rows, 1)),
    labels_BT=labels_BT,
    weight_BT=np.ones((rows, LENGTH), np.float32),
    weight_B=np.ones(rows, np.float32),
  )


@pytest.fixture(scope="module")
def params():
  made = drawn(game().init, batch(), scale=1.0)
  made["discriminator"] = jax.tree.map(lambda x: 2 * x, made["discriminator"])  # clear rewards
  return made


@pytest.mark.parametrize("vocab", [1, 3, 10])
def test_ids_come_as_often_as_their_probabilities_say(vocab):
  logits_V = np.random.default_rng(0).normal(size=vocab)
  logits_V[2:] = np.where(np.arange(2, vocab) % 3 == 2, -np.inf, logits_V[2:])
  found_N = jax.jit(categorical)(
    jax.random.key(0), jnp.broadcast_to(jnp.float32(logits_V), (20_000, vocab))
  )
  often_V = np.bincount(found_N, minlength=vocab) / 20_000
  wanted_V = np.exp(log_softmax(logits_V))
  assert len(often_V) == vocab and (often_V[wanted_V == 0] == 0).all()
  np.testing.assert_allclose(often_V, wanted_V, atol=4 * 0.5 / 20_000**0.5)


def test_drawn_texts_keep_their_beginnings_and_end(params):
  one, rows = game(), 400
  forced_NT = np.tile(np.array([[1, 2, 0]], np.int32), (rows, 1))
  draw = jax.jit(one._drawn)
  text_NT, weight_NT = map(
    np.asarray, draw(params["generator"], jax.random.key(0), forced_NT, np.arange(rows) % 3)
  )
  assert (text_NT[1::3, 0] == 1).all() and (text_NT[2::3, :2] == [1, 2]).all()
  assert len(set(text_NT[::3, 0].tolist())) == 4, "every id but the padding is drawn"
  for text, weight in zip(text_NT.tolist(), weight_NT.tolist(), strict=True):
    size = text.index(EOT) + 1 if EOT in text else LENGTH
    assert weight == [1.0] * size + [0.0] * (LENGTH - size) and text[size:] == [PAD] * (
      LENGTH - size
    )


def expected_reward(one, params, judge):
  """The mean score of all texts, each with its probability: what policy gradient climbs."""
  texts = [t for t in itertools.product(range(4), repeat=LENGTH)]
  kept = {t[: t.index(EOT) + 1] if EOT in t else t for t in texts}
  text_NT = np.full((len(kept), LENGTH), PAD, np.int32)
  weight_NT = np.zeros(text_NT.shape, np.float32)
  for row, text in enumerate(sorted(kept)):
    text_NT[row, : len(text)], weight_NT[row, : len(text)] = text, 1
  score_N = jax.nn.sigmoid(one._score({"discriminator": judge}, text_NT, weight_NT, None))
  return jnp.sum(jnp.exp(jnp.sum(one._logp(params, text_NT, weight_NT), 1)) * score_N)


@pytest.mark.parametrize("texts, draws", [(512, 40), (2, 4000)])
def test_rewards_climb_the_expected_reward(params, texts, draws):
  """The mean of many estimates is the gradient by enumeration of every text."""
  one, rows = game(rollouts=2), batch(texts)

  def lost(own, key):
    return one.loss("generator", {**params, "generator": own}, rows, key, {})[0]

  @jax.jit
  def estimate(own):
    keys = jax.random.split(jax.random.key(1), draws)
    each = jax.lax.map(functools.partial(jax.grad(lost), own), keys)
    return jax.tree.map(lambda x: (x.mean(0), x.std(0) / len(keys) ** 0.5), each)

  wanted = jax.jit(jax.grad(functools.partial(expected_reward, one)))(
    params["generator"], params["discriminator"]
  )
  found, wanted = by_path(estimate(params["generator"])), by_path(wanted)
  off = []
  for path, slope in wanted.items():
    mean, error = (np.asarray(found[f"{path}/{i}"]) for i in range(2))
    off.append(((mean + np.asarray(slope)) / np.maximum(error, 1e-6)).ravel())
    assert np.abs(slope).max() > 0
  off = np.concatenate(off)
  assert np.sqrt((off**2).mean()) < 1.5, "within the errors of the estimate"


def test_texts_end_where_padding_is_the_end_itself(params):
  one = game()
  one.pad = EOT
  rows = jnp.zeros((400, LENGTH), jnp.int32), jnp.zeros(400, int)
  text_NT, weight_NT = jax.jit(one._drawn)(params["generator"], jax.random.key(0), *rows)
  assert (np.asarray(weight_NT)[:, -1] == 0).any() and (np.asarray(text_NT)[:, 0] == EOT).any()
  logp_NT = one._logp(params["generator"], text_NT, weight_NT)
  assert np.isfinite(logp_NT).all() and (np.asarray(logp_NT)[np.asarray(weight_NT) > 0] < 0).all()


def test_the_soft_way_is_a_text_with_a_gradient(params):
  one, rows = game(gumbel=0.7), batch()
  made = jax.jit(functools.partial(one._softly, shape=(ROWS, LENGTH)))
  soft_BTV, weight_BT = map(np.asarray, made(params["generator"], jax.random.key(0)))
  hard_BT = soft_BTV.argmax(-1)
  np.testing.assert_array_equal(soft_BTV.sum(-1), weight_BT)
  for text, weight in zip(hard_BT.tolist(), weight_BT, strict=True):
    size = text.index(EOT) + 1 if EOT in text else LENGTH
    np.testing.assert_array_equal(weight, np.arange(LENGTH) < size)
  assert (hard_BT[weight_BT > 0.5] != PAD).all() and (weight_BT == 0).any()

  def lost(own):
    both = {**params, "generator": own}
    return one.loss("generator", both, rows, jax.random.key(0), {})[0]

  grads = by_path(jax.jit(jax.grad(lost))(params["generator"]))
  assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in grads.values())


def test_what_an_evaluation_tells(params):
  one, rows = game(), batch()
  told = jax.jit(functools.partial(one.loss, "generator"))(params, rows, None, {})[1]
  scores = one._score(params, rows["labels_BT"], rows["weight_BT"], None)
  key = jax.random.fold_in(jax.random.key(0), content(rows["labels_BT"].reshape(1, -1))[0])
  texts = one._drawn(
    params["generator"], jax.random.split(key, 3)[0],
    np.zeros((ROWS, LENGTH), np.int32), np.zeros(ROWS, int),
  )  # fmt: skip
  fakes = np.asarray(one._score(params, *texts, None), float)
  np.testing.assert_allclose(told["reward"][0], expit(fakes).sum(), rtol=1e-5)
  losses = np.logaddexp(0, -np.asarray(scores, float)) + np.logaddexp(0, fakes)
  np.testing.assert_allclose(told["discriminator_loss"][0], losses.sum(), rtol=1e-5)
  assert float(told["token_loss"][1]) == ROWS * LENGTH
  other = rows | {"labels_BT": (rows["labels_BT"] + 1) % 3}
  again = jax.jit(functools.partial(one.loss, "generator"))(params, other, None, {})[1]
  assert float(again["reward"][0]) != float(told["reward"][0]), "other texts for another batch"
  assert "apart" in one.warning({"discriminator_accuracy": 0.999})


def test_losses_are_the_same_on_a_mesh():
  same_on_a_mesh(game(rollouts=1), batch(), dict(data=2, fsdp=2, tensor=2), steps=2)


def test_a_language_model_goes_on_into_the_game(tmp_path, capfd):
  (tmp_path / "text").write_text("ab\nba\nabab\n" * 20)
  flags = [
    f"--config.data.source=text(path='{tmp_path / 'text'}', documents='line')",
    "--config.data.tokenizer=characters()", f"--config.data.store={tmp_path / 'data'}",
    "--config.batch=8", "--config.length=8", "--config.model.width=8", "--config.model.depth=1",
    "--config.model.mixer=min_gru()", "--config.model.mlp=none()", "--config.steps=2",
    "--config.log.tensorboard=False",
  ]  # fmt: skip
  first, then = (f"--workdir={tmp_path / name}" for name in ("first", "then"))
  assert main(["train", first, *flags]) == 0
  own = ["--config.objective=sequence_adversarial(rollouts=1)",
         "--config.model.name=sequence_gan(windows=(2,), channels=4)"]  # fmt: skip
  begins = f"--config.init.path={tmp_path / 'first'}"
  assert main(["train", then, *flags, *own, begins]) == 0
  assert "leaves from" in capfd.readouterr().out
  assert main(["sample", then, "--prompt=a", "--tokens=4", "--step=latest"]) == 0
  assert capfd.readouterr().out.startswith("a")
