"""What is handed to Slurm and what it is asked, by stand-ins of its commands; a real one is tried
by scripts/slurm_test.
"""

import json
import os
import re
import subprocess

import pytest

from seqlab import sweep
from seqlab.errors import UserError
from seqlab.sweeps import slurm, trials
from seqlab.sweeps.attempts import claim
from seqlab.sweeps.states import Listed


@pytest.fixture
def root(tmp_path, monkeypatch):
  """A sweep of three trials, and commands of Slurm that say what files hold."""
  root = tmp_path / "with space" / "sweep"
  root.mkdir(parents=True)
  listed = [dict(id=f"trial{n}", changes=dict(seed=n)) for n in range(3)]
  (root / trials.MANIFEST).write_text(json.dumps(dict(cwd=str(tmp_path), trials=listed)))
  (root / "configs").mkdir()
  for one in listed:
    (root / "configs" / f"{one['id']}.json").write_text(
      json.dumps(dict(steps=1, seed=0, seeds=1, lr=1, lrs=[]))
    )
  folder = tmp_path / "bin"
  folder.mkdir()
  for name, does in {
    "sbatch": 'echo "$@" >> "$SAID"; echo Submitted batch job 7',
    "squeue": 'cat "$QUEUE"',
    "scancel": 'echo scancel "$@" >> "$SAID"',
  }.items():
    (folder / name).write_text(f"#!/bin/sh\n{does}\n")
    (folder / name).chmod(0o755)
  monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
  monkeypatch.setenv("SAID", str(tmp_path / "said"))
  monkeypatch.setenv("QUEUE", str(tmp_path / "queue"))
  (tmp_path / "queue").write_text("")
  return root


def comments(tmp_path):
  """Of each batch that was submitted."""
  return re.findall(r"--comment=(\S+)", (tmp_path / "said").read_text())


def started(root, options=""):
  left = Listed(trials.read(root)).left
  return slurm.Slurm(root, left, options, 60.0, lambda trial: None)


def test_what_waits_is_submitted_and_found_again(root, tmp_path):
  known = trials.read(root)
  assert slurm.queued(root) == {}, "nothing was ever submitted"
  slurm.submit(root, known[1:], ["--partition=gpu"], 60.0)
  said = (tmp_path / "said").read_text()
  assert said.startswith("--partition=gpu ") and said.strip().endswith("slurm/0000.sh")
  assert " --array=0-1 " in said and "--output=" in said
  subprocess.run(["bash", "-n", root / "slurm/0000.sh"], check=True)
  (mine,) = comments(tmp_path)
  (tmp_path / "queue").write_text(
    f"{mine}|1|7|PENDING|Priority\nother|0|8|RUNNING|None\n{mine}|0|7|RUNNING|None\n"
  )
  assert slurm.queued(root) == {"trial1": "RUNNING", "trial2": "PENDING (Priority)"}
  slurm.submit(root, known[:1], [], 60.0)
  assert comments(tmp_path)[1] != mine
  slurm.cancel(root)
  assert "scancel --state=PENDING 7" in (tmp_path / "said").read_text()


def test_no_answer_is_not_that_there_are_none(root, tmp_path, monkeypatch):
  slurm.submit(root, trials.read(root), [], 60.0)
  monkeypatch.setenv("QUEUE", str(tmp_path / "gone"))
  assert slurm.queued(root) is None


def test_jobs_that_never_begin_are_told_of(root, monkeypatch):
  monkeypatch.setattr(slurm, "LOOK", 0.0)
  runner = started(root)
  with pytest.raises(UserError, match="end before they begin"):
    runner.run(lambda: False)
  assert len(list((root / "slurm").glob("*.sh"))) == slurm.BROKEN


def test_jobs_that_slurm_could_not_start_and_holds_are_submitted_again(root, tmp_path, monkeypatch):
  slurm.submit(root, trials.read(root), [], 60.0)
  mark = comments(tmp_path)[0]
  (tmp_path / "queue").write_text(
    f"{mark}|0|7|RUNNING|None\n{mark}|1|7|PENDING|launch failed requeued held\n"
    f"{mark}|2|7|PENDING|Resources\n"
  )
  monkeypatch.setattr(slurm, "LOOK", 0.0)
  looks = iter([False, True])
  started(root).run(lambda: next(looks))
  said = (tmp_path / "said").read_text()
  assert re.findall(r"scancel (.*)", said) == ["--state=PENDING 7_1"]
  assert json.loads((root / "slurm/0001.json").read_text()) == ["trial1"]


def test_status_says_what_a_trial_waits_for(root, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv("COLUMNS", "200")
  slurm.submit(root, trials.read(root)[:1], [], 60.0)
  (mark,) = comments(tmp_path)
  (tmp_path / "queue").write_text(f"{mark}|0|7|PENDING|BeginTime\n")
  attempt = claim(trials.read(root)[0].folder, 0)
  attempt.finish(1, "ends so")
  sweep.run("status", str(root), "", [], 1, "local", "", 60.0, False, "loss")
  assert "ends so; PENDING (BeginTime)" in capsys.readouterr().out


def test_a_controller_that_is_stopped_leaves_the_jobs(root, tmp_path, monkeypatch):
  monkeypatch.setattr(slurm, "LOOK", 0.0)
  looks = iter([False, True])
  assert started(root).run(lambda: next(looks)) is True
  assert "scancel" not in (tmp_path / "said").read_text()


def test_where_there_is_no_slurm_it_is_said(root, monkeypatch):
  monkeypatch.setenv("PATH", "")
  with pytest.raises(UserError, match="no sbatch here"):
    started(root)


@pytest.mark.parametrize("options", ["--array=0-3", "-o mine.log", "--comment='x"])
def test_options_that_are_ours_are_refused(root, options):
  with pytest.raises(UserError, match="--slurm="):
    started(root, options)
