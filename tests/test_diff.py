"""`seqlab diff`: what two runs differ in, and where their numbers part."""

import json
import shutil

import pytest
from commands import here

from seqlab import diff

FLAGS = {
  "steps": 12, "batch": 4, "length": 8, "model.width": 8, "model.depth": 1, "log.every": 1,
  "model.mixer": "min_gru()", "evaluate.every": 6, "evaluate.batches": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("diff") / "run"
  train(folder)
  return folder


def train(folder, **more):
  flags = [f"--config.{key}={value}" for key, value in {**FLAGS, **more}.items()]
  here("train", f"--workdir={folder}", *flags)


def test_a_run_is_as_one_that_was_trained_again(run, tmp_path):
  train(tmp_path / "again")
  said = here("diff", run, tmp_path / "again")
  assert "the same, bit for bit, up to step 12" in said
  for part in ("config", "data", "code", "environment"):
    assert f"{part}: the same" in said


def test_a_seed_is_seen_in_the_config_and_in_the_numbers(run, tmp_path):
  train(tmp_path / "other", seed=1, **{"evaluate.every": 4})
  said = here("diff", run, tmp_path / "other", code=1)
  assert "config: 2 differ" in said and "seed" in said
  assert "evaluate.every (not what is computed)" in said
  assert "part at step 1" in said and "valid/loss after step 12" in said


def test_code_and_machine_are_told_apart(run, tmp_path):
  here_, there = diff.parts(str(run)), diff.parts(str(run))
  code, other = dict(here_["code"]), dict(there["code"])
  assert code and here_["environment"] and not code.keys() & here_["environment"].keys()
  other["versions.seqlab"] = "9.9"
  ((key, _, now),) = diff.differences(code, other)
  assert (key, now) == ("versions.seqlab", "9.9")


def test_a_run_of_which_there_is_only_a_config_is_compared_too(run, tmp_path):
  bare = tmp_path / "bare"
  bare.mkdir()
  shutil.copy(run / "config.json", bare)
  said = here("diff", run, bare, code=1)
  assert "config: the same" in said and "no step of which both" in said


def test_where_numbers_part_and_where_they_are_far_apart():
  one = [{"step": n, "loss": 2.0, "grad_norm": 1.0, "steps_per_second": n} for n in range(5)]
  other = [dict(line, steps_per_second=7) for line in one]
  assert diff.parting(one, other) is None
  other[2] = dict(other[2], grad_norm=1.5)
  other[3] = dict(other[3], loss=2.001)
  other[4] = dict(other[4], loss=2.1)
  assert diff.parting(one, other) == (2, "grad_norm", 1.0, 1.5)
  assert diff.parting(one, other, 0.01) == (4, "loss", 2.0, 2.1)
  other[1] = dict(other[1], loss=None)  # it was not finite
  assert diff.parting(one, other, 0.01) == (1, "loss", 2.0, None)


def test_mistakes_are_one_line(run, tmp_path):
  assert "no run here" in here("diff", run, tmp_path / "none", code=2)
  broken = tmp_path / "broken"
  shutil.copytree(run, broken)
  (broken / "data.json").write_text(json.dumps({"labels": []})[:-3])
  said = here("diff", run, broken, code=2)
  assert "data.json" in said and said.count("\n") == 1
