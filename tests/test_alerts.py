"""Alerts: when they are given, that each is given once, and that none holds up a training."""

import random
import shlex
import time
import types

import numpy as np
import pytest
from commands import here

from seqlab import alerts, log
from seqlab.alerts import Alerts, Climb, Stall
from seqlab.data.loader import Loader


def climbs(losses, before=()):
  """(line, median, best) of the first line at which a loss is far from its best."""
  climb = Climb(before)
  found = ((at, climb.far(loss)) for at, loss in enumerate(losses))
  return next(((at, *far) for at, far in found if far), None)


def test_a_loss_that_falls_or_stays_noisy_is_no_climb():
  draw = random.Random(0)
  falling = [3 + 7 * 0.99**n + draw.gauss(0, 0.3) for n in range(2000)]
  chance = [0.69 + draw.gauss(0, 0.05) for _ in range(20_000)]  # nothing is ever learned
  assert climbs(falling) is None and climbs(chance) is None
  assert climbs(1 - x for x in range(100)) is None, "a loss may be below 0"
  falling[1500] = falling[1501] = 1000.0
  falling[1600:1604] = [float("nan")] * 4  # of steps that were skipped
  assert climbs(falling) is None, "single lines are wild"


@pytest.mark.parametrize("scale, shift", [(1, 0), (1000, -9000)])
def test_a_loss_that_climbs_is_seen(scale, shift):
  draw = random.Random(0)
  losses = [scale * (3 + 7 * 0.98**n + draw.gauss(0, 0.1)) + shift for n in range(300)]
  lost = [scale * draw.gauss(8, 1) + shift for _ in range(50)]
  at, now, best = climbs(losses + lost)
  assert 304 <= at <= 309 and best < scale * 3.2 + shift < now
  assert climbs(lost, before=losses)[0] == at - 300, "it goes on from what was written before"
  assert climbs([scale * (10 + 2**n) + shift for n in range(40)]), "from the first step on"


def given(folder, command="", said=None):
  return Alerts(folder, "runs/a", command, (said if said is not None else []).append)


def test_an_alert_is_given_once_also_when_the_run_goes_on(tmp_path):
  said = []
  one = given(tmp_path, said=said)
  one.give("climbs", "step 9: far")
  one.give("climbs", "step 10: far")
  given(tmp_path, said=said).give("climbs", "step 9: far")
  given(tmp_path, said=said).give("input", "none came")
  assert said == ["seqlab: alert: runs/a: step 9: far", "seqlab: alert: runs/a: none came"]
  assert [(x["kind"], x["text"]) for x in alerts.read(tmp_path)] == [
    ("climbs", "step 9: far"), ("input", "none came")
  ]  # fmt: skip
  Alerts(tmp_path / "none", "", "", said.append, active=False).give("input", "elsewhere")
  assert len(said) == 2, "one of several processes speaks"
  with open(tmp_path / alerts.FILE, "a") as file:
    file.write('{"time": 3, "ki')  # a full disk
  given(tmp_path, "").give("diverged", "step 10: nan")
  assert [alert["kind"] for alert in alerts.read(tmp_path)] == ["climbs", "input", "diverged"]


def test_a_command_is_started_and_not_waited_for(tmp_path):
  out = tmp_path / "out.txt"
  script = tmp_path / "tell.sh"
  go = shlex.quote(str(tmp_path / "go"))
  waits = f"while ! [ -e {go} ]; do sleep 0.05; done"
  script.write_text(f'{waits}; echo "$1 | $2" > {shlex.quote(str(out))}\n')
  given(tmp_path, f"sh {script} 'to me'").give("climbs", "step 9: it's far")
  (tmp_path / "go").touch()  # which it would wait for
  began = time.monotonic()
  while not (out.exists() and out.read_text()):
    assert time.monotonic() < began + 30
    time.sleep(0.05)
  assert out.read_text() == "to me | runs/a: step 9: it's far\n"
  said = []
  given(tmp_path, "no-such-command now", said).give("input", "none came")
  assert "no such command here" in said[0] and "could not be handed on" in said[-1]
  assert len(alerts.read(tmp_path)) == 2


def stalls(waits):
  """What is said of looks a second apart, each a wait's begin or None."""
  given, seconds = [], iter(range(len(waits)))
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(alerts, "time", types.SimpleNamespace(perf_counter=lambda: next(seconds)))
    stall = Stall(lambda kind, text: given.append(text))
    for since in waits:
      stall.look(since)
  return given


def test_input_stalls_where_a_wait_is_long_or_many_are_there():
  assert stalls([None] * 200) == []
  assert stalls([None] * 10 + [10] * 20 + [None] * 200) == [], "once, not for long"
  assert stalls([None] * 200 + [200] * 22) == ["no batch for 21 s: the input stalls"]
  assert stalls([at if at % 3 else None for at in range(70)])[0].startswith(
    "66% of the last minute"
  )
  assert stalls([at if at % 3 == 0 else None for at in range(300)]) == []


def test_a_line_is_shown_each_minute_though_steps_are_slow(tmp_path, monkeypatch):
  shown, wrote = [], []
  progress = types.SimpleNamespace(
    update=lambda step, numbers: shown.append((step, numbers["loss"]))
  )
  writer = types.SimpleNamespace(write=lambda step, numbers: wrote.append((step, numbers["loss"])))
  clock = types.SimpleNamespace(tick=lambda step: None, rates=dict)
  told = log.Log(tmp_path, writer, progress, clock, True, given(tmp_path))
  numbers = [{"loss": (np.array([float(n)]), np.array([1.0]))} for n in range(5)]
  told.dispatched(1, numbers[1], write=False)
  told.dispatched(2, numbers[2], write=False)
  assert shown == []
  told._shown -= log.SILENT + 1
  told.dispatched(3, numbers[3], write=False)
  assert shown == [(2, 1.5)] and wrote == [], "what is written does not depend on the time"
  told.dispatched(4, numbers[4], write=True)
  assert wrote == [(3, 2.0)] and shown[1:] == wrote


def test_what_diverges_is_an_alert_in_the_folder_and_on_the_card(folder):
  flags = ("--config.lr=1e30", "--config.clip=0.0", "--config.optimizer=sgd()")
  alert = f"--config.log.alert=touch {folder}/told"
  said = here("train", "--config=small.py", "--workdir=run", *flags, alert, code=77, both=True)
  (found,) = alerts.read(folder / "run")
  assert found["kind"] == "diverged" and found["text"].startswith("step ")
  assert said.count(found["text"]) == 1, "and is said once"
  assert found["text"] in (folder / "run/card.md").read_text()
  end = time.monotonic() + 30
  while not (folder / "told").exists():
    assert time.monotonic() < end
    time.sleep(0.05)


def test_input_that_stalls_is_an_alert_of_a_run_that_goes_on(folder, monkeypatch):
  calls = Loader.__call__
  monkeypatch.setattr(Loader, "__call__", lambda self, at: time.sleep(0.1) or calls(self, at))
  monkeypatch.setattr(alerts, "LONG", 0.02)
  flags = ("--config.evaluate.every=12", "--config.evaluate.batches=1")
  flags = (*flags, "--config.checkpoint.every=12")  # beside which the input would catch up
  said = here("train", "--config=small.py", "--workdir=run", *flags, both=True)
  assert [alert["kind"] for alert in alerts.read(folder / "run")] == ["input"]
  assert said.count("seqlab: alert: run: no batch for") == 1 and "done: run" in said


def test_a_command_that_cannot_be_read_is_refused(folder):
  said = here("train", "--config=small.py", "--workdir=r", "--config.log.alert=mail 'me", code=2)
  assert 'config.log.alert="mail \'me" is no command: no closing quotation' in said
