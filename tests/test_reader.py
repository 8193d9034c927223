"""Mixers that read arrays place by place: images and series of numbers."""

import json

import jax
import numpy as np
import pytest

from seqlab import axes, networks
from seqlab.cli import main
from seqlab.config import load
from seqlab.data.adding import adding
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.networks import Ends
from seqlab.sizing import sized

SMALL = ("model.width=8", "model.depth=1", "model.mixer=rnn()", "model.mlp=none()")
IMAGE_BYXD = np.random.default_rng(0).random((3, 4, 5, 2), np.float32)


def made(name, *more, shape=IMAGE_BYXD.shape[1:]):
  config = load("", [*SMALL, f"model.name={name}", *more])
  return networks.make_network(config, Ends(classes=3, shape=shape))


def output(network, params, x=IMAGE_BYXD):
  return np.asarray(jax.jit(network.__call__)(params, x))


@pytest.mark.parametrize("name", ["reader()", "reader(both_ways=True)"])
def test_names_spell_axes_and_every_parameter_learns(name):
  network = made(name, "model.learned_positions=True")
  params = jax.jit(network.init)(jax.random.key(0), IMAGE_BYXD)
  grads = by_path(jax.jit(jax.grad(lambda p: (network(p, IMAGE_BYXD) ** 2).sum()))(params))
  for path, leaf in by_path(params).items():
    assert len(axes.letters(path)) == leaf.ndim, path
    assert np.abs(grads[path]).max() > 0, path
  assert by_path(params)["embed_VD"].shape == (3, 8) and len(params["position_SD"]) == 4 * 5


def test_places_are_read_in_their_order_or_in_a_drawn_one():
  network, permuted = made("reader()", "model.pool=first"), made("reader(permuted=True)")
  params = jax.jit(network.init)(jax.random.key(0), IMAGE_BYXD)
  later = IMAGE_BYXD.copy()
  later[:, 0, 1:] = later[:, 1:] = 0.5  # the first place has seen nothing of them
  np.testing.assert_array_equal(output(network, params), output(network, params, later))
  in_order = made("reader()")
  order = np.random.Generator(np.random.PCG64(0)).permutation(20)
  drawn = IMAGE_BYXD.reshape(3, 20, 2)[:, order].reshape(IMAGE_BYXD.shape)
  found = output(permuted, params)
  np.testing.assert_allclose(found, output(in_order, params, drawn), rtol=1e-5)
  assert np.abs(found - output(in_order, params)).max() > 1e-3


def test_a_number_keeps_its_size():
  """Blocks normalise what they read: one number alone would be 1 or -1 to them."""
  network = made("reader()", shape=(6, 1))
  params = jax.jit(network.init)(jax.random.key(0), np.ones((1, 6, 1), np.float32))
  x = np.linspace(0.1, 0.9, 4, dtype=np.float32)[:, None, None] * np.ones((1, 6, 1), np.float32)
  # without the one beside it, steps of 0.2 move the output by less than 0.05, and hardly at 0.9
  assert np.abs(np.diff(output(network, params, x), axis=0)).max(1).min() > 0.1


def test_its_width_follows_its_parameters():
  whole = ("model.parameters=9000", *SMALL)
  ways = (sized(load("", [f"model.name=reader({way})", *whole])) for way in ("", "both_ways=True"))
  one, both = (config.model.width for config in ways)
  assert both < one == sized(load("", whole)).model.width


def test_what_adding_asks():
  table = adding("key", length=7, samples=500)
  x_BTD, target_B = table.columns["x_BTD"], table.columns["target_B"]
  number_BT, mark_BT = x_BTD[..., 0], x_BTD[..., 1]
  np.testing.assert_allclose((number_BT * mark_BT).sum(1), target_B, rtol=1e-6)
  assert (mark_BT[:, :3].sum(1) == 1).all() and (mark_BT[:, 3:].sum(1) == 1).all()
  assert (mark_BT.sum(0) > 0).all() and 0 <= number_BT.min() < number_BT.max() < 1
  assert 0.1 < np.square(target_B - 1).mean() < 0.25
  again = adding("key", length=7, samples=500)
  np.testing.assert_array_equal(again.columns["x_BTD"], x_BTD)
  other = adding("key", length=7, samples=500, seed=1)
  assert (other.columns["x_BTD"] != x_BTD).any()
  with pytest.raises(UserError, match=r"^key: adding\(\) needs a length of 2"):
    adding("key", length=1)


RUN = (
  *SMALL, "model.name=reader()", "model.pool=last", "objective=regression()", "batch=64",
  "data.source=adding(length=6, samples=4000)", "lr=0.01", "steps=300", "inner_steps=50",
  "evaluate.every=300", "log.tensorboard=False",
)  # fmt: skip


def test_a_run_learns_to_add_and_is_asked(tmp_path, capsys, monkeypatch):
  monkeypatch.setenv("SEQLAB_DATA", str(tmp_path))
  run, data = tmp_path / "run", "--data=adding(length=6, samples=40, seed=3)"
  assert main(["train", f"--workdir={run}", *(f"--config.{one}" for one in RUN)]) == 0
  assert main(["evaluate", f"--workdir={run}", data]) == 0
  assert json.loads((run / "evaluate_data.json").read_text())["loss"] < 0.05
  capsys.readouterr()
  assert main(["predict", f"--workdir={run}", data]) == 0
  told = (run / "predict_data.jsonl").read_text()
  lines = [json.loads(line) for line in told.splitlines()]
  target_B = adding("", length=6, samples=40, seed=3).columns["target_B"]
  np.testing.assert_allclose([line["label"] for line in lines], target_B, rtol=1e-5)
  assert np.square(np.array([line["predicted"] for line in lines]) - target_B).mean() < 0.05
  assert main(["evaluate", f"--workdir={run}", "--data=adding(length=7)"]) == 2
  assert "its arrays are [7, 2]" in capsys.readouterr().err


@pytest.mark.parametrize(
  "more, said",
  [
    ("length=64", "config.length=64: reader() has no use for it"),
    ("objective=classification()", "config.objective=classification(): the source has no classes"),
    ("model.vocab=9", "config.model.vocab=9: reader() has no use for it"),
    ("data.source=embedded()", "config.model.name='reader()' reads arrays and config.data.source"),
  ],
)
def test_what_it_cannot_be(tmp_path, capsys, more, said):
  assert main(["train", f"--workdir={tmp_path}", *(f"--config.{one}" for one in (*RUN, more))]) == 2
  assert said in capsys.readouterr().err
