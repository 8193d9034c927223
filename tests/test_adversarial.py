"""The game of two: its losses by their formulas, packing, turns, and what a run of it tells."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn
from scipy.linalg import sqrtm

from seqlab import networks
from seqlab.cli import main
from seqlab.config import load
from seqlab.data.array_sources import read_arrays
from seqlab.errors import UserError
from seqlab.laws import same_on_a_mesh
from seqlab.leaves import by_path, nest
from seqlab.models.network import Network
from seqlab.models.spectral import normalised
from seqlab.networks import Ends
from seqlab.objectives.adversarial import LOSSES, Adversarial
from seqlab.ops.spectral_norm import spectral_norm
from seqlab.optim import make_optimizer
from seqlab.scores.generated import coverage, frechet, modes
from seqlab.step import init_state, make_train_step

DRAW = np.random.default_rng(0)


def game(name="gan(latent=3, hidden=(8,), critic_hidden=(8,))", shape=(4,), **options):
  config = load("", [f"model.name={name}"])
  return Adversarial(networks.make_network(config, Ends(classes=3, shape=shape)), **options)


def batch(rows=8, shape=(4,)):
  name = "image_BYXD" if len(shape) == 3 else "x_BD"
  return {
    name: DRAW.random((rows, *shape)).astype(np.float32),
    "label_B": DRAW.integers(0, 3, rows).astype(np.int32),
    "weight_B": np.ones(rows, np.float32),
  }


def scores(of, params, key, rows):
  """The scores of real and made arrays, as a loss of that key sees them."""
  draw, _ = jax.random.split(key)
  z = jax.random.normal(draw, (len(rows["x_BD"]), of.network.latent))
  made = of.network.generator(params["generator"], z, None)
  return (
    np.asarray(of.network.discriminator(params["discriminator"], x, None), float)
    for x in (rows["x_BD"], made)
  )


FORMULAS = {
  "minimax": lambda r, f: (-np.log(sigmoid(r)) - np.log(1 - sigmoid(f)), np.log(1 - sigmoid(f))),
  "non_saturating": lambda r, f: (
    -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
    -np.log(sigmoid(f)),
  ),
  "least_squares": lambda r, f: (((r - 1) ** 2 + f**2) / 2, (f - 1) ** 2 / 2),
  "wasserstein": lambda r, f: (f - r, -f),
  "hinge": lambda r, f: (np.maximum(0, 1 - r) + np.maximum(0, 1 + f), -f),
}


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_are_their_formulas(kind):
  of, rows, key = game(loss=kind), batch(), jax.random.key(4)
  params = of.init(jax.random.key(0), rows)
  params = jax.tree.map(lambda p: 3 * p + 0.1, params)
  for which, player in enumerate(("discriminator", "generator")):
    scalar, metrics, _ = of.loss(player, params, rows, key, {})
    want = FORMULAS[kind](*scores(of, params, key, rows))[which]
    np.testing.assert_allclose(scalar, want.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["loss"][0] / metrics["loss"][1], want.mean(), rtol=1e-4)


def test_each_player_moves_alone_and_the_critic_as_often_as_asked():
  of, rows = game(critic=2), batch()
  assert of.players == ("discriminator", "discriminator", "generator")
  optimizer = make_optimizer("sgd()", lambda step: jnp.asarray(0.1))
  optimizers = dict.fromkeys(of.players, optimizer)
  state = init_state(of, optimizers, jax.random.key(0), rows, 8)
  after, metrics = jax.jit(make_train_step(of, optimizers, 0))(state, rows)
  key = jax.random.fold_in(jax.random.key(0), 0)
  params = state["params"]
  for turn, player in enumerate(of.players):  # by hand
    own = params[player]
    at = (player, params, jax.random.fold_in(key, turn))
    grads = jax.grad(lambda p, at: of.loss(at[0], {**at[1], at[0]: p}, rows, at[2], {})[0])(own, at)
    params = {**params, player: jax.tree.map(lambda p, g: p - 0.1 * g, own, grads)}
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after["params"], params)
  assert {"discriminator/loss", "generator/loss", "discriminator/accuracy"} <= metrics.keys()


def test_a_pack_is_neighbours_side_by_side():
  of = game(packing=2)
  x = np.arange(20, dtype=np.float32).reshape(5, 4)
  np.testing.assert_array_equal(of._packed(jnp.asarray(x)), [[*range(8)], [*range(8, 16)]])
  images = DRAW.random((4, 2, 3, 1)).astype("f4")
  packed = of._packed(jnp.asarray(images))
  assert packed.shape == (2, 2, 3, 2)
  np.testing.assert_array_equal(packed[1, ..., 1], images[3, ..., 0])
  params = of.init(jax.random.key(0), batch(1))
  assert params["discriminator"]["trunk"]["in0_FF"].shape == (8, 8)
  with pytest.raises(UserError, match="1 rows at once make no pack of packing=2"):
    of.loss("generator", params, batch(1), jax.random.key(0), {})


def test_the_penalty_is_that_of_the_slope():
  """Of a linear score the slope is the length of its weight, wherever it is taken."""
  of = game("gan(latent=3, hidden=(8,), critic_hidden=())", loss="wasserstein", penalty=10.0)
  rows, key = batch(), jax.random.key(1)
  params = of.init(jax.random.key(0), rows)
  length = np.linalg.norm(params["discriminator"]["score_FD"])
  plain = game("gan(latent=3, hidden=(8,), critic_hidden=())", loss="wasserstein")
  gap = (
    of.loss("discriminator", params, rows, key, {})[0]
    - plain.loss("discriminator", params, rows, key, {})[0]
  )
  np.testing.assert_allclose(gap, 10 * (length - 1) ** 2, rtol=1e-3)
  grads = jax.grad(
    lambda p: of.loss("discriminator", {**params, "discriminator": p}, rows, key, {})[0]
  )(params["discriminator"])
  assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))


def test_classes_are_told_to_both():
  of = game("gan(latent=3, channels=(4,), conditional=True)", (6, 6, 1))
  rows = batch(8, (6, 6, 1))
  params = of.init(jax.random.key(0), rows)
  loss = lambda labels: of.loss(  # noqa: E731
    "discriminator", params, rows | {"label_B": labels}, jax.random.key(1), {}
  )[0]
  assert abs(loss(rows["label_B"]) - loss((rows["label_B"] + 1) % 3)) > 1e-5
  made = of.draw(params, jax.random.key(2), 6)
  other = of.draw(params, jax.random.key(2), 6, jnp.array([1, 1, 2, 0, 1, 2]))
  assert made.shape == (6, 6, 6, 1) and made.min() >= 0 and made.max() <= 1
  assert np.abs(made - other).max() > 1e-5
  with pytest.raises(UserError, match="does not go with"):
    game("gan(conditional=True)", packing=2)


def test_spectral_norms():
  """Against the decomposition: the value, its gradient, and what is left of a discriminator's."""
  random, both = np.random.default_rng(1), jax.jit(jax.value_and_grad(spectral_norm))
  for shape in ((40, 7), (7, 40), (5, 1)):
    w = random.normal(size=shape).astype("f4")
    u, s, vt = np.linalg.svd(w)
    value, slope = both(w)
    np.testing.assert_allclose(value, s[0], rtol=0.02)
    assert value <= s[0] * (1 + 1e-5)
    assert np.sum(slope * np.outer(u[:, 0], vt[0])) > 0.95, "its gradient is u v^T"
  judge = game(
    "gan(latent=3, critic_hidden=(16, 8), pieces=2, spectral=True)"
  ).network.discriminator
  x_BD = random.random((3, 4)).astype("f4")
  params = drawn(judge.init, x_BD, None)
  kept = by_path(jax.jit(normalised)(params))
  for path, before in by_path(params).items():
    matrix = before.reshape(len(before), -1)
    norm = 1 if "bias" in path else np.linalg.svd(matrix)[1][0]
    np.testing.assert_allclose(kept[path], before / norm, rtol=0.02, atol=1e-5)
  want = Network.__call__(judge, nest(kept), x_BD, None)
  np.testing.assert_allclose(jax.jit(judge)(params, x_BD, None), want, rtol=1e-5)


def test_losses_are_the_same_on_every_mesh():
  of = game(
    "gan(latent=8, channels=(4, 8), critic_hidden=(8,), spectral=True)", (8, 8, 1), packing=2
  )
  same_on_a_mesh(of, batch(8, (8, 8, 1)), dict(data=2, fsdp=2, tensor=2), steps=3)


def test_modes_are_counted():
  centres = np.array([[0.0, 0], [10, 0], [0, 10]])
  label = np.repeat(np.arange(3), 500)
  real = centres[label] + 0.1 * np.random.default_rng(2).normal(size=(1500, 2))
  found = modes(real, real, label)
  assert found["modes"] == 3 and found["reverse_kl"] < 1e-4 and found["high_quality"] > 0.98
  half = np.concatenate([real[:500], real[500:1000], np.full((1000, 2), 5.0)])
  found = modes(half, real, label)
  assert found["modes"] == 2 and abs(found["high_quality"] - 0.5) < 0.02
  np.testing.assert_allclose(found["reverse_kl"], np.log(3 / 2), atol=0.01)
  assert modes(np.full((9, 2), 5.0), real, label)["modes"] == 0


def test_the_distance_and_the_coverage_by_their_definitions():
  a, b = DRAW.normal(size=(400, 5)), 0.3 + DRAW.normal(size=(300, 5)) @ DRAW.normal(size=(5, 5))
  c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
  want = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * np.real(sqrtm(c @ d)))
  np.testing.assert_allclose(frechet(a, b), want, rtol=1e-6)
  assert abs(frechet(a, a)) < 1e-6
  sure = 50.0 * np.eye(10)[np.repeat(np.arange(8), 25)]
  found = coverage(sure)
  assert found["classes"] == 8 and found["confidence"] > 0.999
  np.testing.assert_allclose(found["inception_score"], 8, rtol=1e-3)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
  """A game and a classifier on 8 x 8 digits, a second each."""
  pytest.importorskip("sklearn")
  folder = tmp_path_factory.mktemp("game")
  common = {
    "data.source": "digits()", "steps": 20, "batch": 32, "clip": 0.0, "decay": 0.0,
    "schedule": "constant()", "evaluate.every": 20, "checkpoint.every": 20,
    "log.tensorboard": False,
  }  # fmt: skip
  runs = dict(
    judge={"objective": "classification()", "model.name": "mlp(hidden=(16,))"},
    game={"objective": "adversarial()", "model.name": "gan(latent=4, channels=(8,))"},
    ring={
      "objective": "adversarial(packing=2)", "data.source": "ring(samples=2000)",
      "model.name": "gan(latent=2, hidden=(8,), critic_hidden=(8,), pieces=2)",
    },
  )  # fmt: skip
  for name, own in runs.items():
    flags = [f"--config.{key}={value}" for key, value in (common | own).items()]
    assert main(["train", *flags, f"--workdir={folder / name}"]) == 0
  return folder


def test_a_run_is_scored_against_real_examples(digits, capsys):
  judge = f"--classifier={digits / 'judge'}"
  assert main(["evaluate", f"--workdir={digits / 'game'}", judge]) == 0
  told = json.loads((digits / "game" / "evaluate_valid.json").read_text())
  assert told["frechet_distance"] > 0 and 1 <= told["classes"] <= 10
  assert main(["evaluate", f"--workdir={digits / 'ring'}"]) == 0
  told = json.loads((digits / "ring" / "evaluate_valid.json").read_text())
  assert 0 <= told["modes"] <= 8 and 0 <= told["high_quality"] <= 1
  capsys.readouterr()
  assert main(["evaluate", f"--workdir={digits / 'game'}", f"--classifier={digits / 'game'}"]) == 2
  assert "config.objective='adversarial()'" in capsys.readouterr().err
  assert main(["evaluate", f"--workdir={digits / 'judge'}", judge]) == 2
  assert "makes no images" in capsys.readouterr().err


def test_a_classifier_says_what_it_sees(digits, tmp_path, capsys):
  """Of images, which stand in the lines by their index."""
  run = digits / "judge"

  def said(*more, code=0):
    assert main(["predict", f"--workdir={run}", *more]) == code
    told = capsys.readouterr()
    return told.err if code else told.out

  def lines(split):
    return [json.loads(line) for line in (run / f"predict_{split}.jsonl").read_text().splitlines()]

  told, found = said(), lines("valid")
  held = read_arrays("digits()", "hash(fraction=0.1)").splits["valid"]
  assert [f["index"] for f in found] == list(range(len(found)))
  assert [int(f["label"]) for f in found] == held["label_B"].tolist()
  assert all(f["predicted"] == max(f["probabilities"], key=f["probabilities"].get) for f in found)
  right = np.mean([f["label"] == f["predicted"] for f in found])
  assert f"{100 * right:.2f} [" in told and "macro f1" in told and f"{len(found)} examples" in told
  assert (run / "confusion_valid.png").is_file()
  assert main(["evaluate", f"--workdir={run}"]) == 0
  again = json.loads((run / "evaluate_valid.json").read_text())["accuracy"]
  np.testing.assert_allclose(again, right, rtol=1e-6)
  capsys.readouterr()

  np.savez(tmp_path / "few.npz", images=held["image_BYXD"][:7])  # without labels
  few, against = f"--data=npz(path='{tmp_path}/few.npz')", f"--against={run}/predict_valid.jsonl"
  told = said(few)
  assert "7 examples" in told and "macro f1" not in told
  for own, other in zip(found, lines("data"), strict=False):
    share = list(other["probabilities"].values())
    np.testing.assert_allclose(share, list(own["probabilities"].values()), rtol=1e-3)
    assert (other["index"], other["label"]) == (own["index"], None)
  assert "of other examples than these 7" in said(few, against, code=2)
  assert "--text='a': the run was trained on digits()" in said("--text=a", code=2)


def test_samples_are_kept_and_the_same_again(digits):
  for name, shape in (("game", (8, 8, 1)), ("ring", (2,))):
    folder = digits / name
    made = []
    for _ in range(2):
      assert main(["sample", f"--workdir={folder}", "--samples=30", "--seed=3"]) == 0
      made.append(np.load(folder / "samples.npz")["images"])
    assert made[0].shape == (30, *shape) and (folder / "samples.png").stat().st_size > 500
    np.testing.assert_array_equal(*made)
  for name in ("samples", "trajectories"):
    assert (digits / "game" / "pictures" / name / "000020.png").is_file()


@pytest.mark.parametrize("kind", LOSSES)
def test_a_discriminator_that_has_won_is_warned_of(kind):
  """Of real arrays far from what is made, scored 2 apart: around the middle of each loss."""
  of = game("gan(latent=3, hidden=(8,), critic_hidden=())", loss=kind)
  rows = batch()
  rows["x_BD"] = rows["x_BD"] * 0 + 50.0
  params = of.init(jax.random.key(0), rows)
  made = params["generator"]["mirror"]["pixels_bias_D"]
  params["generator"] = jax.tree.map(jnp.zeros_like, params["generator"])
  middle = LOSSES[kind][2]
  score_FD = jnp.full_like(params["discriminator"]["score_FD"], 2 / 200)
  params["discriminator"] = dict(
    score_FD=score_FD, score_bias_D=jnp.full(1, (middle or 0.0) - 1.0), **{}
  ) | {k: v for k, v in params["discriminator"].items() if not k.startswith("score")}
  assert made.shape == (4,)
  _, metrics, _ = of.loss("generator", params, rows, None, {})
  numbers = {name: float(total) / float(weight) for name, (total, weight) in metrics.items()}
  said = of.warning(numbers)
  assert ("100.0% of real" in said) == (middle is not None), numbers
  rows["x_BD"] *= 0  # nothing tells them apart now
  _, metrics, _ = of.loss("generator", params, rows, None, {})
  assert of.warning({n: float(t) / float(w) for n, (t, w) in metrics.items()}) == ""


def test_rates_and_freezing_of_one_player():
  of, rows = game(), batch()
  rates = (("discriminator/", 0.0),)
  optimizers = {
    player: make_optimizer("sgd()", lambda step: jnp.asarray(0.1), rates=rates, player=player)
    for player in of.players
  }
  state = init_state(of, optimizers, jax.random.key(0), rows, 8)
  after, _ = jax.jit(make_train_step(of, optimizers, 0))(state, rows)
  moved = {
    player: any(
      bool(jnp.any(a != b))
      for a, b in zip(
        jax.tree.leaves(state["params"][player]),
        jax.tree.leaves(after["params"][player]),
        strict=True,
      )
    )
    for player in of.players
  }
  assert moved == dict(discriminator=False, generator=True)


def test_turns_of_one_player_add_up_in_its_metrics():
  of, rows = game(critic=3), batch()
  optimizers = dict.fromkeys(of.players, make_optimizer("sgd()", lambda step: jnp.asarray(0.1)))
  state = init_state(of, optimizers, jax.random.key(0), rows, 8)
  _, metrics = jax.jit(make_train_step(of, optimizers, 0))(state, rows)
  assert float(metrics["discriminator/loss"][1]) == 24
  assert float(metrics["generator/loss"][1]) == 8


def test_a_game_resumes_bitwise(digits, tmp_path):
  """Its newest checkpoint taken away, the same command ends where it ended."""
  import shutil

  flags = [
    "--config.data.source=digits()", "--config.objective=adversarial(critic=2)",
    "--config.model.name=gan(latent=4, channels=(8,), spectral=True)", "--config.steps=12",
    "--config.batch=16",
    "--config.ema=0.9", "--config.checkpoint.every=6", "--config.inner_steps=3",
    "--config.log.tensorboard=False", f"--workdir={tmp_path}",
  ]  # fmt: skip
  assert main(["train", *flags]) == 0
  assert main(["sample", f"--workdir={tmp_path}", "--samples=5"]) == 0
  whole = np.load(tmp_path / "samples.npz")["images"]
  shutil.rmtree(tmp_path / "checkpoints" / "12")
  assert main(["train", *flags]) == 0
  assert main(["sample", f"--workdir={tmp_path}", "--samples=5"]) == 0
  np.testing.assert_array_equal(np.load(tmp_path / "samples.npz")["images"], whole)


def test_what_a_game_cannot_do_is_said(digits, capsys):
  run = digits / "game"
  assert main(["evaluate", f"--workdir={run}", "--batch=7"]) == 2
  assert "--batch=7: adversarial() is evaluated in batches of config.batch=32" in (
    capsys.readouterr().err
  )
  flags = ["--config.objective=adversarial()", "--config.model.name=gan(latent=4, channels=(8,))"]
  more = ["--config.data.source=digits()", f"--config.init.path={run}", "--config.steps=2"]
  assert main(["train", *flags, *more, f"--workdir={run}_again"]) == 2
  assert "has no one model to start" in capsys.readouterr().err
