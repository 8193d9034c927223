"""What a run's time went into: over kills and resumes, and where the input is slow."""

import json
import time
import types

import pytest
from commands import here

from seqlab import goodput, train
from seqlab.data.loader import Loader
from seqlab.goodput import LOST, PARTS, Spent, summary


def line(began, seconds, step, **spent):
  """A line of an attempt, so many seconds after it began."""
  return dict(began=began, seconds=seconds, step=step, **{**dict.fromkeys(PARTS, 0.0), **spent})


def written(folder, *lines):
  (folder / goodput.FILE).write_text("".join(json.dumps(one) + "\n" for one in lines))


def test_what_was_made_again_and_what_lies_between_attempts_is_lost(tmp_path):
  assert summary(tmp_path) is None
  written(
    tmp_path,
    line(1000.0, 5, 0, starting=5.0),
    line(1000.0, 25, 10, starting=10.0, saving=1.0),  # a checkpoint: 14 s of steps
    line(1000.0, 40, 20, starting=10.0, saving=2.0),  # another: 28 s
    line(1000.0, 50, 27, starting=10.0, saving=2.0, data=3.0),  # 35 s, then it was killed
    line(1100.0, 4, 20, starting=4.0),
    line(1100.0, 14, 24, starting=8.0),  # 6 s; the checkpoint of step 20 turned out damaged
    line(1120.0, 3, 10, starting=3.0),
    line(1120.0, 43, 30, starting=6.0, evaluating=2.0),  # 35 s
  )
  found = summary(tmp_path)
  assert found["attempts"] == 3 and found["productive"] == 14 + 0 + 35
  assert found["lost"] == dict(
    starting=10 + 8 + 6, data=3, evaluating=2, saving=2, again=21 + 6, down=50 + 6
  )
  assert found["wall"] == 163 and found["goodput"] == 49 / 163
  assert goodput.told(found)["steps that count"] == "49.0 s, 30.1%"


def test_waits_to_be_asked_on_are_no_time_of_the_run(tmp_path):
  written(tmp_path, line(1000.0, 9, 5), line(1000.0, 10, 5) | {"asked": True}, line(2000.0, 6, 9))
  found = summary(tmp_path)
  assert found["wall"] == found["productive"] == 16


def test_a_line_that_a_crash_tore_costs_no_other(tmp_path):
  written(tmp_path, line(1000.0, 5, 0), line(1000.0, 9, 4))
  with open(tmp_path / goodput.FILE, "a") as file:
    file.write('{"began": 1000.0, "ti')
  Spent([tmp_path], 4, time.time())
  found = summary(tmp_path)
  assert found["attempts"] == 2 and found["productive"] == 9


def test_a_sample_that_is_too_large_takes_nothing_from_others(tmp_path):
  written(
    tmp_path,
    line(1000.0, 10, 5),
    line(1000.0, 10.02, 6, data=0.05),
    line(1011.0, 1, 5, starting=1.0),
  )
  found = summary(tmp_path)
  assert found["lost"]["again"] == 0 and found["productive"] == pytest.approx(9.97)


def waits(busy, count=8, seconds=0.1):
  """Seconds of data where each batch but the first is waited for while the device is `busy`."""

  def batches():
    for number in range(count + 1):
      time.sleep(seconds * (number > 0))
      yield number

  with Spent([], 0, time.time()) as spent:
    for number in spent.waited(batches()):
      with spent.dispatching(1):
        pass
      spent.dispatched(number, types.SimpleNamespace(is_ready=lambda: not busy))
    return spent._seconds["data"]


def test_waiting_counts_while_the_device_has_nothing_to_do():
  assert 0.4 < waits(busy=False) < 1.6
  assert waits(busy=True) == 0


def test_the_card_says_what_the_time_went_into_over_a_kill(folder, monkeypatch):
  class Killed(BaseException):
    pass

  def killed(self, step, metrics):
    if step == 18:
      raise Killed
    time.sleep(0.1 * (step > 12))  # a slow step
    self.note(step)

  # few checkpoints, beside which the input would catch up
  flags = {"steps": 24, "evaluate.batches": 2, "evaluate.every": 12, "checkpoint.every": 24}
  flags = [f"--config.{key}={value}" for key, value in flags.items()]
  run = ("train", "--config=small.py", "--workdir=run", *flags)
  began = time.time()
  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(Spent, "dispatched", killed)
    here(*run)
  assert summary(folder / "run")["lost"]["down"] == 0
  time.sleep(0.3)
  calls = Loader.__call__
  with monkeypatch.context() as patch:
    patch.setattr(Loader, "__call__", lambda self, at: time.sleep(0.1) or calls(self, at))
    here(*run)
  wall = time.time() - began
  found = json.loads((folder / "run" / goodput.SUMMARY).read_text())
  assert found == summary(folder / "run") and found["attempts"] == 2
  lost = found["lost"]
  assert wall - 5 < found["wall"] <= wall, "modules may have been imported before it"
  assert found["wall"] == pytest.approx(found["productive"] + sum(lost.values()))
  assert found["goodput"] == found["productive"] / found["wall"] and found["productive"] > 0
  assert 0.3 <= lost["down"] < 10 and lost["again"] > 0.3, "steps 13 to 17 were made again"
  assert lost["data"] > 0.5 and lost["starting"] > 0.1
  assert lost["saving"] > 0 and lost["evaluating"] > 0.2, "two slow batches"
  said = (folder / "run/card.md").read_text()
  assert f"| goodput | {found['goodput']:.1%} |" in said and all(
    name in said for name in LOST.values()
  )


def test_a_run_that_is_stopped_has_its_card(folder, monkeypatch):
  class Stopping:
    def __enter__(self):
      return lambda: True

    def __exit__(self, *_):
      pass

  monkeypatch.setattr(train.processes, "stopping", Stopping)
  here("train", "--config=small.py", "--workdir=run", code=75)
  assert summary(folder / "run")["productive"] > 0
  assert "steps that count" in (folder / "run/card.md").read_text()
