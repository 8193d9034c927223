"""Networks of arrays: what they compute, on every mesh, and what a run of them leaves behind."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate2d

from seqlab import axes, networks
from seqlab.cli import main
from seqlab.config import load
from seqlab.laws import same_on_a_mesh
from seqlab.leaves import by_path
from seqlab.networks import Ends
from seqlab.objectives import OBJECTIVES
from seqlab.ops.convolution import average_pool, convolution, transposed_convolution

DRAW = np.random.default_rng(0)
CASES = {
  "classification()": ["mlp(hidden=(16, 8))", "cnn(channels=(4, 8), hidden=(8,))"],
  "autoencoding()": ["autoencoder(latent=3)", "autoencoder(hidden=(8,), latent=4)"],
  "autoencoding(loss='bernoulli', noise=0.3)": ["autoencoder(channels=(4, 8), latent=4)"],
  "variational(importance=3)": ["vae(hidden=(8,), latent=4)"],
  "variational(warmup=5, free_bits=0.1)": ["vae(channels=(4,), hidden=(8,), latent=4)"],
}
PAIRS = [(objective, name) for objective, names in CASES.items() for name in names]


def made(objective, name, shape=(6, 7, 2)):
  config = load("", [f"objective={objective}", f"model.name={name}"])
  network = networks.make_network(config, Ends(classes=3, shape=shape))
  from seqlab.spec import make, parse_one

  return make(parse_one(objective), OBJECTIVES, network=network)


def batch(rows=8, shape=(6, 7, 2)):
  return dict(
    image_BYXD=DRAW.random((rows, *shape)).astype(np.float32),
    label_B=DRAW.integers(0, 3, rows).astype(np.int32),
    weight_B=np.array([1.0] * (rows - 1) + [0.0], np.float32),
  )


@pytest.mark.parametrize(("objective", "name"), PAIRS)
def test_names_spell_axes_and_every_parameter_learns(objective, name):
  game, rows = made(objective, name), batch()
  params = jax.jit(game.init)(jax.random.key(0), rows)
  extra = game.init_extra(8)
  scalar = lambda p: game.loss("model", p, rows, jax.random.key(1), extra)[0]  # noqa: E731
  grads = by_path(jax.jit(jax.grad(scalar))(params))
  for path, leaf in by_path(params).items():
    assert len(axes.letters(path)) == leaf.ndim, path
    assert np.isfinite(grads[path]).all() and np.abs(grads[path]).max() > 0, path


@pytest.mark.parametrize(("objective", "name"), PAIRS)
def test_an_evaluation_depends_on_no_other_row(objective, name):
  """Rows of weight 0, and the rows beside a row, change nothing."""
  game, rows = made(objective, name), batch()
  params = jax.jit(game.init)(jax.random.key(0), rows)
  told = jax.jit(lambda p, b: game.loss("model", p, b, None, game.init_extra(8))[1])
  whole = told(params, rows)
  parts = [{k: np.concatenate([v[i : i + 2]] * 4) for k, v in rows.items()} for i in (0, 2, 4, 6)]
  for part in parts:
    part["weight_B"][2:] = 0
  apart = [told(params, part) for part in parts]
  for metric, (total, weight) in whole.items():
    assert float(weight) == 7
    np.testing.assert_allclose(sum(float(p[metric][0]) for p in apart), total, rtol=1e-5)


@pytest.mark.parametrize(("objective", "name"), [PAIRS[1], PAIRS[4], PAIRS[6]])
def test_losses_are_the_same_on_every_mesh(objective, name):
  """Of few pixels, so that the law's 1e-5 is well above the rounding of their sum."""
  small = (4, 4, 1)
  meshes = dict(data=2, fsdp=2, tensor=2)
  same_on_a_mesh(made(objective, name, small), batch(8, small), meshes, steps=3)


def test_convolutions_are_their_definition():
  x, w = DRAW.normal(size=(2, 6, 7, 2)), DRAW.normal(size=(3, 3, 2, 4))
  want = np.zeros((2, 6, 7, 4))
  for b in range(2):
    for f in range(4):
      want[b, ..., f] = sum(correlate2d(x[b, ..., d], w[..., d, f], "same") for d in range(2))
  np.testing.assert_allclose(convolution(jnp.asarray(x), w), want, atol=1e-4)
  np.testing.assert_allclose(convolution(jnp.asarray(x), w, 2).shape, (2, 3, 4, 4))
  # The transpose of a convolution is what its gradient computes.
  w = jnp.asarray(DRAW.normal(size=(4, 4, 2, 3)), jnp.float32)
  y = jnp.asarray(DRAW.normal(size=(2, 3, 4, 3)), jnp.float32)
  _, back = jax.vjp(lambda x: convolution(x, w, 2), jnp.zeros((2, 6, 8, 2), jnp.float32))
  flipped = jnp.swapaxes(w[::-1, ::-1], 2, 3)
  np.testing.assert_allclose(transposed_convolution(y, flipped), back(y)[0], atol=1e-4)
  pooled = average_pool(jnp.asarray(x))
  assert pooled.shape == (2, 3, 3, 2)
  np.testing.assert_allclose(pooled[0, 1, 2, 1], x[0, 2:4, 4:6, 1].mean(), rtol=1e-5)


def test_the_bounds_against_integrals():
  """One latent number: the divergence and the likelihood by quadrature."""
  game, rows = made("variational(importance=4000)", "vae(hidden=(8,), latent=1)"), batch(1)
  rows["weight_B"][:] = 1
  params = game.init(jax.random.key(3), rows)
  _, metrics, _ = jax.jit(lambda p: game.loss("model", p, rows, None, {}))(params)
  mean, logvar = (
    float(x[0, 0]) for x in game.network(params["model"], rows["image_BYXD"], method="encode")
  )
  z = np.linspace(-8, 8, 4001)
  log_p = -0.5 * (z**2 + np.log(2 * np.pi))
  log_q = -0.5 * ((z - mean) ** 2 / np.exp(logvar) + logvar + np.log(2 * np.pi))
  kl = np.trapezoid(np.exp(log_q) * (log_q - log_p), z)
  np.testing.assert_allclose(metrics["kl"][0], kl, rtol=1e-4)
  logits = game.network(params["model"], jnp.asarray(z[:, None], jnp.float32), method="decode")
  x, logits = rows["image_BYXD"].reshape(-1), np.asarray(logits, float).reshape(len(z), -1)
  told = (x * logits - np.logaddexp(0, logits)).sum(1)
  likelihood = np.log(np.trapezoid(np.exp(told + log_p - told.max()), z)) + told.max()
  np.testing.assert_allclose(metrics["importance_bound"][0], -likelihood, atol=0.05)
  assert metrics["loss"][0] >= metrics["importance_bound"][0] - 0.05


def test_warm_up_and_free_bits_change_what_is_minimised_and_not_what_is_told():
  plain, name = "variational()", "vae(hidden=(8,), latent=4)"
  rows, key = batch(), jax.random.key(2)
  params = made(plain, name).init(jax.random.key(0), rows)
  scalar, metrics, _ = made(plain, name).loss("model", params, rows, key, {})
  told = metrics["reconstruction"][0] / 7
  np.testing.assert_allclose(scalar, (metrics["reconstruction"][0] + metrics["kl"][0]) / 7, 1e-5)
  warm = made("variational(warmup=4)", name)
  first, same, extra = warm.loss("model", params, rows, key, warm.init_extra(8))
  np.testing.assert_allclose(first, told, rtol=1e-5)
  np.testing.assert_allclose(same["loss"][0], metrics["loss"][0], rtol=1e-5)
  assert int(extra["turns"]) == 1
  later = warm.loss("model", params, rows, key, {"turns": jnp.int32(2)})[0]
  np.testing.assert_allclose(later, told + metrics["kl"][0] / 14, rtol=1e-5)
  free = made("variational(free_bits=5.0)", name).loss("model", params, rows, key, {})[0]
  np.testing.assert_allclose(free, told + 4 * 5.0, rtol=1e-5)  # below 5 nats each: all are free
  assert "0.0100 nats" in made(plain, name).warning(dict(kl=0.01))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  pytest.importorskip("sklearn")
  folder = tmp_path_factory.mktemp("vae")
  flags = dict(
    objective="variational(warmup=20)", steps=120, batch=64, lr=3e-3, clip=0.0, decay=0.0,
    schedule="constant()", evaluate__every=60, checkpoint__every=60,
  )  # fmt: skip
  flags |= {"model.name": "vae(hidden=(64,), latent=4)", "data.source": "digits()"}
  told = [f"--config.{k.replace('__', '.')}={v}" for k, v in flags.items()]
  assert main(["train", *told, f"--workdir={folder}"]) == 0
  return folder, told


def test_a_run_leaves_pictures_and_numbers(run, capsys):
  folder, _ = run
  assert {p.name for p in (folder / "pictures").iterdir()} == {
    "reconstructions", "samples", "traversals", "latent"
  }  # fmt: skip
  for name in ("samples", "latent"):
    for step in ("000060", "000120"):
      picture = np.asarray(Image.open(folder / "pictures" / name / f"{step}.png").convert("L"))
      assert min(picture.shape) > 300 and picture.std() > 5
  assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
  assert main(["evaluate", f"--workdir={folder}"]) == 0
  out = capsys.readouterr().out
  assert re.search(r"examples counted +1?\d\d", out) and "perplexity" not in out
  told = json.loads((folder / "evaluate_valid.json").read_text())
  lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
  first, last = [line["valid/loss"] for line in lines if "valid/loss" in line]
  assert last < first < 35  # 64 pixels at log 2 are 44 nats
  np.testing.assert_allclose(told["loss"], last, rtol=1e-5)
  np.testing.assert_allclose(told["loss"], told["reconstruction"] + told["kl"], rtol=1e-5)
  assert any("examples_per_second" in line for line in lines)
  events = b"".join(p.read_bytes() for p in (folder / "tensorboard").iterdir())
  assert events.count(b"\x89PNG") == 8


def test_a_run_of_arrays_resumes(run, capsys):
  folder, told = run
  assert main(["train", *told, f"--workdir={folder}"]) == 0
  assert "done already" in capsys.readouterr().out


def test_other_arrays_are_evaluated_or_refused(run, tmp_path, capsys):
  folder, _ = run
  image = DRAW.random((5, 8, 8)).astype("f4")
  np.savez(tmp_path / "other.npz", images=image, labels=np.zeros(5, int))
  source = f"npz(path='{tmp_path}/other.npz', labels='labels')"
  assert main(["evaluate", f"--workdir={folder}", f"--data={source}"]) == 0
  assert "examples counted" in capsys.readouterr().out
  np.savez(tmp_path / "other.npz", images=image[:, :4], labels=np.zeros(5, int))
  assert main(["evaluate", f"--workdir={folder}", f"--data={source}"]) == 2
  assert "[4, 8, 1]" in capsys.readouterr().err
  assert main(["evaluate", f"--workdir={folder}", "--data=embedded()"]) == 2
  assert "was trained on digits()" in capsys.readouterr().err
  assert main(["generate", f"--workdir={folder}"]) == 2
  assert "writes from no source" in capsys.readouterr().err
