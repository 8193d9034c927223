"""`config.seeds` and `config.lrs`: runs in one program are those that each would be alone."""

import json
import shutil

import pytest
from commands import here

FLAGS = {
  "steps": 20, "batch": 4, "length": 8, "model.width": 8, "model.depth": 1, "inner_steps": 2,
  "model.mixer": "min_gru()", "model.dropout": 0.1, "evaluate.every": 10, "evaluate.batches": 1,
  "log.every": 1, "ema": 0.5,
}  # fmt: skip


def train(workdir, code=0, devices=1, both=False, **more):
  """What it says."""
  flags = [f"--config.{key}={value}" for key, value in {**FLAGS, **more}.items()]
  return here("train", f"--workdir={workdir}", *flags, code=code, devices=devices, both=both)


def told(folder):
  """By step, the losses that a run wrote down."""
  lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
  return {
    (line["step"], name): line[name] for line in lines for name in ("loss", "valid/loss")
    if name in line
  }  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """A folder with seeds 3 and 4 of two learning rates in one program, and one of the four alone."""
  folder = tmp_path_factory.mktemp("seeds")
  said = train(folder / "all", seed=3, seeds=2, lrs="(0.1, 0.001)")
  assert f"in one program: {folder}/all/lr0.1/seed3, {folder}/all/lr0.1/seed4" in said
  assert said.count("done: ") == 4
  train(folder / "alone", seed=4, lr=0.001)
  return folder


def test_each_run_is_the_one_that_it_is_alone(runs):
  together, alone = told(runs / "all/lr0.001/seed4"), told(runs / "alone")
  assert together.keys() == alone.keys() and len(alone) == 12
  for at, loss in alone.items():
    assert together[at] == pytest.approx(loss, rel=1e-5), at
  for other in ("lr0.001/seed3", "lr0.1/seed4"):
    assert told(runs / "all" / other)[20, "loss"] != pytest.approx(alone[20, "loss"], rel=1e-4)
  one, other = (
    json.loads((runs / name / "config.json").read_text()) for name in ("all/lr0.001/seed4", "alone")
  )
  assert one == other and (one["seed"], one["seeds"], one["lrs"]) == (4, 1, [])
  for name in ("all/lr0.001/seed3", "all/lr0.1/seed4", "alone"):
    assert (runs / name / "curves.png").exists(), name
  assert not (runs / "all/config.json").exists()


def test_a_run_goes_on_alone_or_with_the_others(runs):
  one = runs / "all/lr0.001/seed4"
  wanted = told(one)
  shutil.rmtree(one / "checkpoints/20")  # as if a kill had come before it
  said = train(runs / "all", seed=3, seeds=2, lrs="(0.1, 0.001)")
  assert f"done already: {runs}/all/lr0.001/seed3" in said and said.count("done: ") == 1
  found = told(one)
  assert found.keys() == wanted.keys()
  assert found[20, "valid/loss"] == pytest.approx(wanted[20, "valid/loss"], rel=1e-5)


def test_runs_in_one_program_take_one_of_several_devices(tmp_path):
  said = train(tmp_path, devices=2, seeds=2, steps=2)
  assert "on one device" in said and said.count("done: ") == 2


def test_a_run_that_diverges_leaves_the_others_to_go_on(tmp_path):
  flags = dict(lrs="(0.01, 1e30)", clip=0.0, ema=0.0, optimizer="sgd()")
  said = train(tmp_path / "all", code=77, both=True, **flags)
  assert f"seqlab: {tmp_path}/all/lr1e+30: step " in said
  assert said.count("done: ") == 1 and f"done: {tmp_path}/all/lr0.01" in said
  train(tmp_path / "alone", **{**flags, "lrs": (), "lr": 0.01})
  together, alone = told(tmp_path / "all/lr0.01"), told(tmp_path / "alone")
  assert together.keys() == alone.keys()
  for at, loss in alone.items():
    assert together[at] == pytest.approx(loss, rel=1e-5), at
  assert "## Results" in (tmp_path / "all/lr0.01/card.md").read_text()
  again = train(tmp_path / "all", code=77, **flags)
  assert f"done already: {tmp_path}/all/lr0.01" in again


@pytest.mark.parametrize(
  "flags, words",
  [
    ({"seeds": 0}, "config.seeds=0: a positive number is wanted"),
    ({"seed": 2**32 - 1, "seeds": 2}, "config.seeds=2: seeds from 4294967295 on are from 0 to"),
    ({"lrs": "(0.1, 0)"}, "config.lrs: 0 is not a positive number"),
    ({"lrs": "(0.1, 0.1)"}, "config.lrs=(0.1, 0.1): 0.1 comes twice"),
  ],
  ids=str,
)
def test_what_several_seeds_cannot_be(tmp_path, flags, words):
  assert words in train(tmp_path, code=2, devices=8, **flags)
