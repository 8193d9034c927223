"""Fits of scaling laws find what was planted, and say nothing where they cannot know."""

import itertools
import json

import numpy as np
import pytest
import small
from commands import here

from seqlab import config as configs
from seqlab.comparison.budgets import costs
from seqlab.data.learned import learned_from
from seqlab.prepare import data_of
from seqlab.scores.scaling import beyond, fitted, frontier, growth, middle, optimum, resampled
from seqlab.sweeps import files, trials

SIZES = np.array([1e5, 3e5, 1e6, 3e6, 1e7])
TOKENS = np.array([1e6, 1e7, 1e8])


def planted(noise=0.0, seeds=1):
  """Runs of a law with exponents 0.34 and 0.28 above 1.7: (x_PX, losses of seeds by point)."""
  x_PX = np.array([(n, d) for n in SIZES for d in TOKENS])
  loss_P = 1.7 + 400 * x_PX[:, 0] ** -0.34 + 400 * x_PX[:, 1] ** -0.28
  draw = np.random.default_rng(1)
  return x_PX, [loss * np.exp(draw.normal(0, noise, seeds)) for loss in loss_P]


def test_planted_exponents_are_recovered():
  x_PX, seeds = planted()
  law = fitted(x_PX, np.array([each[0] for each in seeds]))
  assert law.exponents == pytest.approx((0.34, 0.28), rel=1e-2)
  assert law.floor == pytest.approx(1.7, rel=1e-2) and law.scales == pytest.approx((400,) * 2, 0.1)
  assert law.error < 1e-5 and law.determined
  x_P1 = np.geomspace(1e12, 1e16, 7)[:, None]
  law = fitted(x_P1, 2.0 + 50 * x_P1[:, 0] ** -0.12)
  assert law.exponents[0] == pytest.approx(0.12, rel=1e-2)
  assert law.at(1e17) == pytest.approx(2.0 + 50 * 1e17**-0.12, rel=1e-3)


def test_intervals_over_seeds_hold_what_was_planted():
  held = 0
  for number in range(10):
    x_PX, _ = planted()
    draw = np.random.default_rng(number)
    loss_P = 1.7 + 400 * x_PX[:, 0] ** -0.34 + 400 * x_PX[:, 1] ** -0.28
    seeds = [loss * np.exp(draw.normal(0, 0.003, 5)) for loss in loss_P]
    law, samples = resampled(x_PX, seeds, samples=60)
    low, high = middle([one.exponents[0] for one in samples])
    assert low < law.exponents[0] < high
    held += low <= 0.34 <= high
  assert held >= 7


def test_too_few_points_and_what_is_flat_determine_nothing():
  with pytest.raises(ValueError, match="3 points do not determine 5 numbers"):
    fitted(np.ones((3, 2)), np.ones(3))
  x_P1 = np.geomspace(1e12, 1e16, 7)[:, None]
  assert not fitted(x_P1, np.full(7, 2.0)).determined


def test_nothing_is_said_far_beyond_the_runs():
  x_P1 = np.array([[1e12], [3e12], [5e12]])
  assert beyond(x_P1, 2e12) == "" and "factor of 5.0" in beyond(x_P1, 1e13)
  x_P1 = np.array([[1e12], [1e13], [1e14]])
  assert beyond(x_P1, 9e15) == "" and "further" in beyond(x_P1, 2e16)


def test_the_best_size_of_a_budget_is_found_inside_alone():
  sizes = np.array([1e6, 2e6, 4e6, 8e6])
  found = optimum(sizes, (np.log(sizes) - np.log(3e6)) ** 2 + 2)
  assert (found.best, found.least, found.at(6e6)) == pytest.approx((3e6, 2, 2 + np.log(2) ** 2))
  assert optimum(sizes, np.array([4.0, 3.0, 2.5, 2.2])) is None
  assert optimum(sizes[:2], np.array([4.0, 3.0])) is None


def test_a_run_that_a_cheaper_one_beats_is_none_of_the_best():
  flops, losses = np.array([1.0, 1.01, 2, 4, 4]), np.array([4.0, 3.9, 3.95, 3.0, 3.2])
  assert frontier(flops, losses).tolist() == [False, True, False, True, False], "1.01 costs as much"


def test_the_growth_of_the_best_size_is_recovered_or_nothing_said_of_it():
  flops, draw = np.array([1e12, 1e13, 1e14]), np.random.default_rng(0)
  sizes = [1e5 * (of / 1e12) ** 0.5 * np.array([0.25, 0.5, 1.1, 2, 4]) for of in flops]
  best = 1e5 * (flops / 1e12) ** 0.5

  def seeds(noise):
    return [
      [2 + 0.1 * np.log(size / at) ** 2 + draw.normal(0, noise, 5) for size in each]
      for each, at in zip(sizes, best, strict=True)
    ]

  assert growth(flops, sizes, seeds(0)) == pytest.approx((0.5,) * 3, rel=1e-6)
  held = 0
  for _ in range(10):
    found, low, high = growth(flops, sizes, seeds(0.01))
    assert low < found < high
    held += low < 0.5 < high
  assert held >= 7
  assert growth(flops, sizes, seeds(1.0)) is None


def sweep(root, sizes, loss):
  """A sweep of (width, steps), whose runs are as if they had been trained: their losses, of their
  costs, are planted. Returns the costs.
  """
  root.mkdir()
  small.write_words(root)
  made = []
  for (width, steps), seed in itertools.product(sizes, range(2)):
    words = str(root / "words.txt")
    config = configs.load("", changes={
      "steps": steps, "seed": seed, "batch": 4, "length": 8, "model.width": width, "model.depth": 1,
      "model.mixer": "min_gru()", "data.source": f"text(path={words!r}, documents='line')",
      "data.tokenizer": "characters()", "data.store": str(root / "store"),
    })  # fmt: skip
    changes = {"model.width": width, "steps": steps, "seed": seed}
    made.append((f"{width}_{steps}_{seed}", changes, config))
  known, found = trials.make(root / "s", {}, made), []
  for trial, (_, changes, config) in zip(known, made, strict=True):
    found.append(costs(config, learned_from(data_of(config))))
    value = loss(found[-1]) * (1 + 0.0001 * changes["seed"])
    run = dict(changes=changes, step=changes["steps"], numbers={"valid/loss": value})
    files.write_once(trial.folder / "attempts/0001.json", dict(step=0))
    files.write_once(trial.folder / "result.json", dict(code=0, attempt=1, runs=[run]))
  return found


def of_flops(cost):
  return 2.0 + 50 * cost.flops**-0.12


def test_laws_are_fitted_to_the_runs_of_a_sweep(tmp_path):
  lengths = [(8, steps) for steps in (100, 300, 1000, 3000)]
  at = 10 * sweep(tmp_path / "w", lengths, of_flops)[-1].flops
  said = here("scaling", f"--workdir={tmp_path}/w/s", f"--at={at}")
  assert "0.12" in said and f"at {at:.3g}" in said and "refused" not in said
  found = json.loads((tmp_path / "w/s/scaling.json").read_text())["(as it is)"]
  assert found["law"]["exponents"] == pytest.approx([0.12], rel=0.05)
  assert found["exponent"][0] <= found["law"]["exponents"][0] <= found["exponent"][1]
  assert len(found["points"]) == 4 and (tmp_path / "w/s/scaling.png").exists()
  assert "refused" in here("scaling", f"--workdir={tmp_path}/w/s", f"--at={1000 * at}")


def test_a_law_of_too_few_lengths_is_refused(tmp_path):
  sweep(tmp_path / "w", [(8, 100), (8, 300)], of_flops)
  said = here("scaling", f"--workdir={tmp_path}/w/s", code=2)
  assert "a law wants three runs" in said and "(as it is): 2 of 2" in said


def test_budgets_tell_their_best_size_and_the_law_is_of_the_best_runs(tmp_path):
  """Sizes of three budgets, of which the best grows as the fourth root of FLOPs."""
  step = {
    width: sweep(tmp_path / f"{width}", [(width, 1)], of_flops)[0] for width in (8, 16, 32, 64)
  }
  budgets = [10.0**n * step[16].flops for n in (3, 4, 5)]

  def loss(cost):
    best = step[16].parameters * 1.2 * (cost.flops / budgets[0]) ** 0.25
    return of_flops(cost) + 0.05 * np.log(cost.parameters / best) ** 2

  sizes = [(width, round(of / one.flops)) for of in budgets for width, one in step.items()]
  sweep(tmp_path / "w", sizes, loss)
  said = here("scaling", f"--workdir={tmp_path}/w/s")
  assert "3 of 12" in said and said.count("parameters are best") == 3
  assert "the best size grows as FLOPs^0.25 [0.2" in said
  found = json.loads((tmp_path / "w/s/scaling.json").read_text())["(as it is)"]
  assert sum(point["best"] for point in found["points"]) == 3
