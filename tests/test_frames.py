"""Piano rolls, and the objective that tells their next frame."""

import json

import jax
import numpy as np
import pytest
from scipy.io import savemat

from seqlab import networks
from seqlab.cli import main
from seqlab.config import load
from seqlab.data.rolls import rolls
from seqlab.errors import UserError
from seqlab.laws import same_on_a_mesh
from seqlab.networks import Ends
from seqlab.objectives import Frames

SIZES = dict(traindata=(5, 9, 3, 1), validdata=(4, 6))
SMALL = "model.name=reader()", "model.width=16", "model.depth=1", "model.mixer=rnn()"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
  """Pieces in which key t % 4 sounds at step t, and now and then one of two others."""
  path, draw, held = tmp_path_factory.mktemp("rolls") / "music.mat", np.random.default_rng(0), {}
  for name, sizes in SIZES.items():
    held[name] = np.empty((1, len(sizes)), object)
    for i, size in enumerate(sizes):
      piece = np.zeros((size, 6), np.uint8)
      piece[np.arange(size), np.arange(size) % 4] = 1
      piece[:, 4:] = draw.random((size, 2)) < 0.2
      held[name][0, i] = piece
  savemat(path, held)
  return path


def test_pieces_are_cut_so_that_each_frame_is_told_once(file):
  columns = rolls("key", str(file), length=5).columns
  x_BTD, weight_BT = columns["x_BTD"], columns["weight_BT"]
  assert x_BTD.shape == (4, 5, 6) and set(np.unique(x_BTD)) == {
    0,
    255,
  }  # of one frame there is none
  assert weight_BT.sum(1).tolist() == [4, 4, 4, 2] and not weight_BT[:, 0].any()
  np.testing.assert_array_equal(x_BTD[1, -1], x_BTD[2, 0])
  assert not x_BTD[3, 3:].any()


def objective():
  network = networks.make_network(load("", [*SMALL]), Ends(shape=(5, 6), tags=6))
  return Frames(network)


def batch(file):
  columns = rolls("key", str(file), length=5).columns
  x_BTD = columns["x_BTD"].astype(np.float32) / 255
  return dict(x_BTD=x_BTD, weight_BT=columns["weight_BT"], weight_B=np.array([1, 1, 1, 0.0]))


def test_numbers_are_those_by_hand(file):
  game, rows = objective(), batch(file)
  params = game.init(jax.random.key(0), rows)
  loss, metrics, _ = game.loss("model", params, rows, None, {})
  logits_BTD = np.asarray(game.network(params["model"], rows["x_BTD"]), np.float64)
  share_BTD, nll, frames, right, either = 1 / (1 + np.exp(-logits_BTD)), 0, 0, 0, 0
  for row in range(3):
    for at in np.flatnonzero(rows["weight_BT"][row]):
      x_D, share_D = rows["x_BTD"][row, at], share_BTD[row, at - 1]
      nll -= np.log(np.where(x_D > 0, share_D, 1 - share_D)).sum()
      frames += 1
      right += ((share_D > 0.5) & (x_D > 0)).sum()
      either += ((share_D > 0.5) | (x_D > 0)).sum()
  assert float(loss) == pytest.approx(nll / frames, rel=1e-5)
  np.testing.assert_allclose(metrics["loss"], (nll, frames), rtol=1e-5)
  np.testing.assert_allclose(metrics["accuracy"], (right, either))


def test_no_frame_is_told_from_itself(file):
  game, rows = objective(), batch(file)
  params = game.init(jax.random.key(0), rows)["model"]
  later = rows["x_BTD"].copy()
  later[:, 3:] = 1 - later[:, 3:]
  one, other = (np.asarray(game.network(params, x)) for x in (rows["x_BTD"], later))
  np.testing.assert_array_equal(one[:, :3], other[:, :3])
  assert (one[:, 3:] != other[:, 3:]).any()


def test_losses_are_the_same_on_a_mesh(file):
  rows = {name: np.concatenate([x, x]) for name, x in batch(file).items()}
  same_on_a_mesh(objective(), rows, dict(data=2, fsdp=2, tensor=2))


def test_a_run_learns_the_scale(file, tmp_path, capsys):
  source = f"data.source=rolls(path='{file}', length=9)"
  valid = f"data.valid=rolls(path='{file}', part='valid', length=9)"
  run = (*SMALL, source, valid, "objective=frames()", "steps=100", "batch=8", "inner_steps=50")
  flags = [f"--config.{one}" for one in (*run, "lr=0.02", "evaluate.every=100")]
  assert main(["train", f"--workdir={tmp_path / 'run'}", *flags]) == 0
  lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
  assert json.loads(lines[-1])["valid/accuracy"] > 0.5
  other = [f"--workdir={tmp_path / 'other'}", *flags]
  adding = "data.source=adding(length=4)", "data.valid=hash(fraction=0.1)"
  for keys, said in (
    (["model.name=reader(both_ways=True)"], "frames() tells what comes next"),
    (adding, "config.data.source has no frames"),
  ):
    assert main(["train", *other, *(f"--config.{key}" for key in keys)]) == 2
    assert said in capsys.readouterr().err


def test_what_is_no_music(file, tmp_path):
  with pytest.raises(UserError, match=r"^key: rolls\(part='dev', length=160\): a part of train"):
    rolls("key", str(file), part="dev")
  with pytest.raises(UserError, match=r"no .mat of piano rolls .*testdata"):
    rolls("key", str(file), part="test")
  (tmp_path / "no.mat").write_text("la la la")
  with pytest.raises(UserError, match=r"^key: .*no.mat is no .mat of piano rolls"):
    rolls("key", str(tmp_path / "no.mat"))
