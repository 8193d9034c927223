"""`seqlab sweep`: every trial is trained, none twice, whatever is killed on the way."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import small
from commands import here, seqlab

from seqlab import exits
from seqlab.errors import UserError
from seqlab.sweeps import attempts, files, states, trials
from seqlab.sweeps.declared import Sweep, declared
from seqlab.sweeps.made import made

CONFIG = f"""{small.CONFIG}
def get_sweep(sweep):
  return sweep.product(sweep.over("lr", (0.01, 0.03)), sweep.over("seed", range(2)))
"""
TWO = CONFIG.replace("(0.01, 0.03)", "(0.01,)")
LONG = (
  TWO.replace("steps=12", "steps=3000")
  .replace("every=6", "every=3000")
  .replace("every=3)", "every=20)")
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
  (tmp_path / "tried.py").write_text(CONFIG)
  (tmp_path / "two.py").write_text(TWO)
  (tmp_path / "long.py").write_text(LONG)
  small.write_words(tmp_path)
  monkeypatch.chdir(tmp_path)
  return tmp_path


def started(*arguments):
  command = [sys.executable, "-m", "seqlab.cli", *map(str, arguments)]
  environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
  return subprocess.Popen(
    command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )


def until(holds, seconds=120):
  end = time.monotonic() + seconds
  while not (found := holds()):
    assert time.monotonic() < end, "it never came"
    time.sleep(0.05)
  return found


def tried(root):
  return {one.id: attempts.attempts(one.folder) for one in trials.read(root)}


def results(root):
  return {one.id: one.result()["runs"][0]["numbers"] for one in trials.read(root)}


def test_helpers_make_products_pairs_and_chains():
  of = Sweep()
  lrs, seeds = of.over("lr", (1, 2)), of.over("seed", range(2))
  assert of.product(lrs, seeds)[1] == {"lr": 1, "seed": 1} and len(of.product(lrs, seeds)) == 4
  assert of.zip(lrs, seeds) == [{"lr": 1, "seed": 0}, {"lr": 2, "seed": 1}]
  assert of.chain(lrs, seeds) == [{"lr": 1}, {"lr": 2}, {"seed": 0}, {"seed": 1}]
  with pytest.raises(ValueError, match="twice"):
    of.product(lrs, lrs)


def test_a_sweep_is_trained_once_and_told_of(folder):
  said = seqlab("sweep", "run", "--config=tried.py", "--workdir=s", "--jobs=2")
  assert "4/4" in said and "lr=0.03 seed=1: done, loss" in said
  before = results(folder / "s")
  assert len(before) == 4 and all("valid/loss" in numbers for numbers in before.values())
  again = here("sweep", "run", "--config=tried.py", "--workdir=s")
  assert "4/4 trials are done" in again and "lr=" not in again, "nothing is trained"
  assert [len(of) for of in tried(folder / "s").values()] == [1] * 4
  said = here("sweep", "status", "--workdir=s")
  assert "4 done" in said and "12/12" in said
  said = here("sweep", "report", "--workdir=s")
  assert "lr=0.01" in said and "±" in said
  rows = list(csv.DictReader((folder / "s/report.csv").open()))
  assert len(rows) == 4 and {row["lr"] for row in rows} == {"0.01", "0.03"}
  # a trial is an ordinary run
  one = trials.read(folder / "s")[0]
  assert "perplexity" in here("evaluate", f"--workdir={one.folder}")
  # and is what it would have been alone
  here("train", "--config=tried.py", "--config.lr=0.01", "--workdir=alone")
  lines = (folder / "alone/metrics.jsonl").read_text().splitlines()
  last = next(json.loads(line) for line in reversed(lines) if "valid/loss" in line)
  assert last["valid/loss"] == pytest.approx(before[one.id]["valid/loss"], rel=1e-4)


@pytest.mark.slow
def test_what_is_killed_is_taken_up_and_ends_the_same(folder):
  config = "--config=two.py"
  seqlab("sweep", "run", config, "--workdir=whole", "--config.steps=300", "--jobs=2")
  run = ("sweep", "run", config, "--workdir=killed", "--config.steps=300", "--jobs=2")
  controller = started(*run)
  root = folder / "killed"
  until(lambda: (root / "manifest.json").exists())
  saved = until(lambda: [one for one in trials.read(root) if one.saved() >= 3])
  os.kill(attempts.attempts(saved[0].folder)[-1].owner["pid"], signal.SIGKILL)  # a worker
  until(lambda: len(attempts.attempts(saved[0].folder)) == 2)
  controller.kill()
  controller.wait()
  seqlab(*run)
  assert results(root) == results(folder / "whole"), "bit for bit"
  assert len(tried(root)[saved[0].id]) >= 2


def test_two_controllers_share_a_sweep(folder):
  run = ("sweep", "run", "--config=two.py", "--workdir=s", "--jobs=1")
  both = [started(*run), started(*run)]
  for one in both:
    _, err = one.communicate()
    assert one.returncode == 0, err
  assert [len(of) for of in tried(folder / "s").values()] == [1] * 2
  assert len(results(folder / "s")) == 2


def test_of_many_that_take_a_trial_one_gets_it(tmp_path):
  for number in range(1, 6):
    together, won = threading.Barrier(8), []

    def take(together=together, won=won):
      together.wait()
      won.append(attempts.claim(tmp_path, 0))

    threads = [threading.Thread(target=take) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    (one,) = [attempt for attempt in won if attempt is not None]
    assert one.number == number and one.last()
    one.finish(75)


def test_an_owner_that_was_overtaken_ends_and_writes_no_result(folder):
  controller = started("sweep", "run", "--config=long.py", "--workdir=s")
  root = folder / "s"
  until(lambda: (root / "manifest.json").exists())
  one = trials.read(root)[0]
  until(lambda: one.saved() >= 20)
  controller.send_signal(signal.SIGSTOP)  # so that it starts no other
  (first,) = attempts.attempts(one.folder)
  owner = dict(first.owner, place=["another"], pid=1)
  assert files.write_once(first.path.with_name("0002.json"), owner)
  until(lambda: attempts.attempts(one.folder)[0].end)
  assert attempts.attempts(one.folder)[0].end["code"] == exits.LOST and one.result() is None
  controller.kill()
  controller.wait()


@pytest.mark.slow
def test_stop_cancel_and_resume(folder):
  flags = ("--workdir=s", "--jobs=1")
  controller = started("sweep", "run", "--config=long.py", *flags)
  root = folder / "s"
  until(lambda: (root / "manifest.json").exists())
  one = trials.read(root)[0]
  until(lambda: one.saved() >= 20)
  controller.terminate()
  _, err = controller.communicate()
  assert controller.returncode == 75, err
  (first,) = attempts.attempts(one.folder)
  assert first.end["code"] == 75 and states.progress(one).state == "waiting"
  here("sweep", "cancel", "--workdir=s")
  assert "was cancelled" in here("sweep", "run", "--config=long.py", *flags, code=2)
  seqlab("attempt", "--workdir=s", f"--trial={one.id}", code=75)
  assert len(attempts.attempts(one.folder)) == 1, "a cancelled trial is not begun"
  controller = started("sweep", "resume", *flags)
  until(lambda: len(attempts.attempts(one.folder)) == 2)
  at = one.saved()
  until(lambda: one.saved() > at)
  here("sweep", "cancel", "--workdir=s")
  _, err = controller.communicate()
  assert controller.returncode == 75, err


def test_divergence_is_an_end(folder):
  (folder / "bad.py").write_text(
    CONFIG.replace("(0.01, 0.03)", "(0.01, 1e30)").replace("range(2)", "range(1)")
  )
  flags = ("--config.clip=0.0", "--config.optimizer=sgd()")
  said = seqlab("sweep", "run", "--config=bad.py", "--workdir=s", *flags)
  found = {one.named: states.progress(one).state for one in trials.read(folder / "s")}
  assert found == {"lr=1e+30 seed=0": "diverged", "lr=0.01 seed=0": "done"}
  assert "diverged" in said and [len(of) for of in tried(folder / "s").values()] == [1, 1]
  assert "not in it: lr=1e+30" in here("sweep", "report", "--workdir=s")
  assert "they have" in here("sweep", "report", "--workdir=s", "--metric=accuracy", code=2)


def test_a_failure_is_tried_again_then_let_be_until_somebody_resumes(folder):
  root = folder / "s"
  trials.make(root, {}, made("tried.py", [])[:1])
  (folder / "words.txt").unlink()
  shutil.rmtree(folder / "store")
  said = seqlab("sweep", "resume", "--workdir=s", code=1)
  assert "1 failed" in said
  (one,) = trials.read(root)
  now = states.progress(one)
  assert now.state == "failed" and now.attempts == states.FAILURES and "words.txt" in now.note
  assert "words.txt" in here("sweep", "status", "--workdir=s")
  small.write_words(folder)
  assert "1/1" in seqlab("sweep", "resume", "--workdir=s"), "mended, it is tried again"


def test_attempts_that_are_lost_are_taken_up_unless_they_gain_nothing(tmp_path):
  one = trials.Trial(tmp_path, "a", {})
  files.write_once(one.config, dict(steps=9, seed=0, seeds=1, lr=0.1, lrs=[]))
  gone = dict(host="here", place=["another start"], pid=1, start="1", began=0.0, step=0)
  for number in range(1, states.LOSSES + 1):
    assert states.progress(one).state == "waiting"
    path = one.folder / "attempts" / f"{number:04}.json"
    files.write_once(path, gone)
    assert states.progress(one).state == "running", "for all that is known"
    os.utime(path, (0, time.time() - 2 * attempts.DEAD))
  assert states.progress(one).state == "failed"
  (one.folder / "checkpoints/5").mkdir(parents=True)
  assert states.progress(one).state == "waiting", "the last of them gained steps"


def test_stops_before_a_step_are_told_and_never_too_many(tmp_path):
  one = trials.Trial(tmp_path, "a", {})
  files.write_once(one.config, dict(steps=9, seed=0, seeds=1, lr=0.1, lrs=[]))
  for number in range(1, 2 * states.LOSSES):
    now = states.progress(one)
    assert now.state == "waiting" and ("less time" in now.note) == (number > states.STOPS)
    attempts.claim(one.folder, 0).finish(75)
  attempts.claim(one.folder, 0).finish(1, "no such file")
  assert states.progress(one).note == "no such file"
  (one.folder / "checkpoints/5").mkdir(parents=True)
  assert "less time" not in states.progress(one).note, "the last of them gained steps"


def test_an_owner_on_another_machine_is_gone_when_its_heart_has_stopped(tmp_path):
  attempt = attempts.claim(tmp_path, 0)
  away = dict(attempt.owner, place=["another"])
  attempt.path.write_text(json.dumps(away))
  assert attempts.attempts(tmp_path)[0].alive() and attempts.claim(tmp_path, 0) is None
  os.utime(attempt.path, (0, time.time() - 2 * attempts.DEAD))
  assert not attempts.attempts(tmp_path)[0].alive()
  assert attempts.claim(tmp_path, 0).number == 2 and not attempt.last()


def test_mistakes_are_told_before_anything_is_trained(folder):
  (folder / "typo.py").write_text(CONFIG.replace('over("lr"', 'over("lrr"'))
  said = here("sweep", "run", "--config=typo.py", "--workdir=s", code=2)
  assert "trial 1 of 4 (lrr=0.01 seed=0): what is tried: unknown key config.lrr" in said
  assert not (folder / "s").exists()
  (folder / "heads.py").write_text(CONFIG.replace('over("lr", (0.01, 0.03))',
    'over("model.mixer", ("min_gru()", "attention(heads=3)"))'))  # fmt: skip
  assert "trial 3 of 4" in here("sweep", "run", "--config=heads.py", "--workdir=s", code=2)
  assert "no get_sweep()" in here("sweep", "run", f"--config={__file__}", "--workdir=s", code=2)
  assert "no sweep here" in here("sweep", "status", "--workdir=s", code=2)
  said = here("sweep", "status", "--workdir=s", "--config=tried.py", code=2)
  assert "takes no --config" in said
  seqlab("sweep", "run", "--config=tried.py", "--workdir=s", "--config.steps=2")
  (folder / "tried.py").write_text(CONFIG.replace("range(2)", "range(3)"))
  said = here("sweep", "run", "--config=tried.py", "--workdir=s", "--config.steps=2", code=2)
  assert "2 are new and 0 gone" in said, "a config that was edited"
  assert "no trial of" in here("attempt", "--workdir=s", "--trial=nothing", code=2)


def test_a_sweep_says_what_is_wrong_with_it(tmp_path):
  for text, said in {
    "def get_sweep(): return [1]": "dicts of overrides",
    "def get_sweep(): return []": "nothing to try",
    "def get_sweep(): return [][0]": "IndexError",
  }.items():
    (tmp_path / "one.py").write_text(text)
    with pytest.raises(UserError, match=said):
      declared(str(tmp_path / "one.py"))
