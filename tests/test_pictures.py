"""Pictures: what is drawn of a run's numbers, and letters that no font has."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from seqlab import metrics, pictures
from seqlab.errors import UserError
from seqlab.objectives.base import Course
from seqlab.pictures import figures
from seqlab.pictures.curves import FILE, Curves, grouped

LINES = [
  {"step": 10, "time": 0.0, "loss": 3.0, "kl": 1.0, "lr": 0.1, "grad_norm": 9.0},
  {"step": 20, "time": 1.0, "loss": None, "kl": 2.0, "lr": 0.2, "grad_norm": 9.0},
  {"step": 20, "time": 2.0, "valid/loss": 2.5, "valid/kl": 0.5},
]


def pixels(png):
  return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_curves_are_of_the_loss_of_what_validation_tells_and_of_the_rate():
  panels = grouped(LINES)
  assert list(panels) == ["loss", "kl", "learning rate"]
  steps, values = panels["loss"]["training"]
  assert steps == [10, 20] and values[0] == 3 and math.isnan(values[1])
  assert panels["kl"] == dict(training=([10, 20], [1.0, 2.0]), valid=([20], [0.5]))
  assert panels["learning rate"] == dict(training=([10, 20], [0.1, 0.2]))
  game = [{"step": 5, "time": 0.0, "generator/loss": 1.0, "critic/loss": 2.0, "critic/lr": 3.0}]
  assert list(grouped(game)["loss"]) == ["generator", "critic"]


def test_a_run_is_drawn_whole_when_it_ends_and_not_when_it_fails(tmp_path):
  (tmp_path / metrics.FILE).write_text("".join(json.dumps(LINES[0]) + "\n" for _ in range(9)))
  with Curves(tmp_path) as curves:
    curves.draw()
    assert not (tmp_path / FILE).exists(), "nine lines are no curve"
    with metrics.Writer(tmp_path, 10, tensorboard=False) as writer:  # goes on
      writer.write(20, {"loss": 1.0, "lr": 0.1})
    curves.seldom()
    assert not (tmp_path / FILE).exists(), "the run has only begun"
  assert pixels((tmp_path / FILE).read_bytes()).std() > 5
  (tmp_path / FILE).unlink()
  with pytest.raises(ZeroDivisionError), Curves(tmp_path):
    _ = 1 / 0
  assert not (tmp_path / FILE).exists()
  (tmp_path / FILE).mkdir()
  with pytest.raises(UserError, match=r"curves.png: cannot be written \(Is a directory\)"):
    Curves(tmp_path).draw()


def test_a_course_keeps_what_was_seen_and_forgets_what_is_run_again(tmp_path):
  line = np.linspace(-1, 1, 8)
  for step in (10, 20, 30):
    points = np.stack([line * step / 30, line], 1)
    drawn = pictures.write(tmp_path, step, {"way": Course(points, 2 * points)})
    assert pixels(drawn["way"]).std() > 5
  folder = tmp_path / "pictures" / "way"
  assert {p.name for p in folder.iterdir()} >= {"000010.png", "000030.png", "course.npz"}
  pictures.write(tmp_path, 20, {"way": Course(points)})  # a run that goes on from step 10
  with np.load(folder / "course.npz") as kept:
    assert kept.files == ["10", "20"]
    np.testing.assert_array_equal(kept["20"], points)
  whole = (folder / "course.npz").read_bytes()
  for size in (0, 4, len(whole) // 2, len(whole) - 8):
    (folder / "course.npz").write_bytes(whole[:size])
    pictures.write(tmp_path, 30, {"way": Course(points)})
    with np.load(folder / "course.npz") as kept:
      assert kept.files == ["30"], "it begins anew"
  images = np.broadcast_to(np.linspace(0, 1, 5)[:, None, None, None], (5, 4, 4, 1))
  for step in range(1, 101):  # a row for each image, twelve columns at most
    drawn = pictures.write(tmp_path, step, {"way": Course(images)})
  height, width = pixels(drawn["way"]).shape
  assert abs(height / width - 5 / 12) < 0.03
  with np.load(folder / "course.npz") as kept:
    assert kept.files[0] == "1" and kept.files[-1] == "100" and 24 <= len(kept.files) <= 49
  (folder / "course.npz").unlink()
  (folder / "course.npz").mkdir()
  with pytest.raises(UserError, match="cannot be written"):
    pictures.write(tmp_path, 40, {"way": Course(images)})


def test_letters_that_no_font_has_become_numbers(monkeypatch, caplog):
  monkeypatch.setattr(figures, "_fonts", lambda: ((), frozenset(map(ord, "abc$ "))))
  figures._warn_once.cache_clear()
  assert figures.legible(["a", "猫b", "c$", "狗"]) == ["a", "#1", r"c\$", "#3"]
  assert len(caplog.messages) == 1 and "no font here has" in caplog.messages[0]


def test_a_map_is_bright_where_the_weight_is():
  weight_HTS = np.zeros((2, 3, 4))
  weight_HTS[:, [0, 1, 2], [3, 1, 0]] = 1
  one = pixels(pictures.attention({"layer 0": weight_HTS[:1]}, ["x", "y", "z"], list("abcd")))
  dark = one < 128
  rows, columns = dark.sum(1) > 0.4 * one.shape[1], dark.sum(0) > 0.4 * one.shape[0]
  inside = one[np.ix_(np.flatnonzero(rows), np.flatnonzero(columns))]
  high, wide = inside.shape
  cells = inside[high // 6 :: high // 3, wide // 8 :: wide // 4][:3, :4]
  np.testing.assert_array_equal(cells, 255 * weight_HTS[0])
  many = pixels(pictures.attention({"a": weight_HTS, "b": weight_HTS[:1]}, "xyz", "abcd"))
  assert many.shape[0] > 1.5 * one.shape[0] and many.shape[1] > 2 * one.shape[1]
