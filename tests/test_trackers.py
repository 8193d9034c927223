"""Services that numbers go to besides: a run goes on as the same there, and without them."""

import importlib.util
import json
import sys
import time

import pytest
from commands import here

from seqlab import trackers
from seqlab.errors import UserError
from seqlab.trackers import Tracker

FAKE = """
import json

class Run:
  def __init__(self, **given):
    {begin}
    self.told = open({told!r}, "a")
    self.tell(init=given)

  def tell(self, **what):
    self.told.write(json.dumps(what) + "\\n")
    self.told.flush()

  def log(self, numbers, step):
    {log}
    self.tell(step=step, numbers=numbers)

  def finish(self):
    self.tell(finished=True)

init = Run
"""


@pytest.fixture
def service(tmp_path, monkeypatch):
  """Makes a package of a name that writes down what it is told, and runs lines of ours before."""

  def make(name, log="pass", begin="pass"):
    told = tmp_path / f"{name}.jsonl"
    (tmp_path / f"{name}.py").write_text(FAKE.format(told=str(told), log=log, begin=begin))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return lambda: [json.loads(line) for line in told.read_text().splitlines()]

  yield make
  for name in trackers.SERVICES:
    sys.modules.pop(name, None)


def train(*flags, **options):
  few = ("--config.steps=4", "--config.evaluate.every=4", "--config.checkpoint.every=2")
  return here("train", "--config=small.py", "--workdir=run", *few, *flags, both=True, **options)


def test_services_get_what_the_file_gets_and_a_run_goes_on_as_the_same(folder, service):
  told = {name: service(name) for name in ("wandb", "trackio")}
  to = "--config.log.to=('wandb', 'trackio')"
  train(to)
  lines = [json.loads(one) for one in (folder / "run/metrics.jsonl").read_text().splitlines()]
  for of in told.values():
    begin, *numbers, end = of()
    assert begin["init"]["project"] == "seqlab" and begin["init"]["resume"] == "allow"
    assert begin["init"]["name"].startswith("run-") and begin["init"]["config"]["steps"] == 4
    assert [dict(step=x["step"], **x["numbers"]) for x in numbers] == [
      {key: value for key, value in line.items() if key != "time"} for line in lines
    ]
    assert end == {"finished": True}
  for step in ("2", "4"):
    checkpoint = folder / "run/checkpoints" / step
    checkpoint.rename(folder / step)  # as if it was killed before
  train(to)
  for of in told.values():
    first, again = (one["init"] for one in of() if "init" in one)
    assert first == again, "the same run"


def test_a_service_that_fails_is_told_of_once_and_left_alone(folder, service):
  service("wandb", log="raise RuntimeError('no\\nroute')")
  said = train("--config.log.to=('wandb',)")
  assert said.count("wandb") == 1 and "done: run" in said
  assert "seqlab: wandb fails with RuntimeError: no route; the run goes on without it" in said


def test_a_service_that_hangs_holds_nothing_up(tmp_path, service, monkeypatch):
  service("trackio", log="__import__('time').sleep(60)")
  service("wandb", begin="__import__('time').sleep(60)")
  monkeypatch.setattr(trackers, "OPEN", 3.0)
  monkeypatch.setattr(trackers, "FINISH", 0.2)
  monkeypatch.setattr(trackers, "BEHIND", 5)
  said, began = [], time.monotonic()
  slow, behind = (Tracker("trackio", tmp_path, {}, said.append) for _ in range(2))
  slow.write(1, {"loss": 1.0})
  for step in range(9):
    behind.write(step, {"loss": 1.0})
  slow.close()
  behind.close()
  silent = Tracker("wandb", tmp_path, {}, said.append)
  silent.write(1, {"loss": 1.0})
  silent.close()
  assert time.monotonic() - began < 20
  for one, words in zip(said, ("5 lines behind", "did not end", "did not begin"), strict=True):
    assert words in one


def test_a_service_that_is_not_there_is_refused(folder, monkeypatch):
  assert "'wandbb' is no service (did you mean" in train("--config.log.to=('wandbb',)", code=2)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(UserError, match=r"config.log.to=\('trackio',\).*pip install trackio"):
    trackers.check(("trackio",))
