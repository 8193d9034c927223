"""Claims: what their files say, and the verdict of the command that runs them."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest

from seqlab import config, reproduce
from seqlab.claims import read_claims
from seqlab.cli import main
from seqlab.commands import COMMANDS
from seqlab.errors import UserError

CLAIM = """
from ml_collections import ConfigDict

CLAIM = dict(
  says="a claim", source="a paper", cost="seconds", seeds=(0, 1), tried="nothing yet",
  results=(
    dict(name="near", metric="loss", published="5.5", low=5.0, high=6.0),
    dict(name="far", metric="loss", published="1.0", low=0.0, high=1.0),
    dict(name="no file", metric="loss", published="1.0", low=0.0, high=1.0,
         measure="evaluate --data=\\"text(path='absent.txt')\\""),
  ),
)

def get_config():
  config = ConfigDict(dict(steps=2, batch=8, length=16, objective="language_model()"))
  config.model = ConfigDict(dict(width=8, depth=1, mixer="min_gru()", mlp="none()"))
  config.data = ConfigDict(dict(source="text(path='words.txt')"))
  config.log = ConfigDict(dict(tensorboard=False))
  return config
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
  (tmp_path / "experiments" / "papers").mkdir(parents=True)
  (tmp_path / "experiments" / "papers" / "small.py").write_text(CLAIM)
  (tmp_path / "words.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 60)
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("SEQLAB_DATA", str(tmp_path / "data"))
  return tmp_path


def write_of_several(house, claim):
  """A claim on a text of several documents, so that it can be trained."""
  text = (house / "words.txt").read_text()
  lines = [f"{n} {line}" for n, line in enumerate(text.splitlines())]
  (house / "words.txt").write_text("\n".join(lines))
  source = "text(path='words.txt', documents='line')"
  file = house / "experiments" / "papers" / "small.py"
  file.write_text(claim.replace("text(path='words.txt')", source))


def test_the_verdicts_the_page_and_what_is_not_run_again(house, capfd):
  write_of_several(house, CLAIM)
  assert main(["reproduce", "small", "--workdir=runs"]) == 1  # one result fails
  out = capfd.readouterr().out
  rows = {name: line for line in out.splitlines() for name in ("near", "far", "no file")
          if f"small: {name}" in line}  # fmt: skip
  assert "PASS" in rows["near"] and "FAIL" in rows["far"] and "NOT RUN" in rows["no file"]
  kept = json.loads((house / "docs" / "results.json").read_text())["small"]
  assert len(kept["near"]["values"]) == 2 and "absent.txt" in kept["no file"]["why"]
  page = (house / "docs" / "results.md").read_text()
  assert "| small: near | loss | 5.5 | 5 to 6 |" in page and "FAIL: nothing yet" in page
  assert "NOT RUN (no file): --data" in page or "absent.txt" in page
  before = [p.stat().st_mtime_ns for p in (house / "runs").rglob("metrics.jsonl")]
  one, other = (house / f"runs/small/config/seed{seed}/evaluate_valid.json" for seed in (0, 1))
  measured = one.stat().st_mtime_ns
  other.write_text(other.read_text().replace('"loss": ', '"loss": 9'))  # by another evaluation
  assert main(["reproduce", "small", "--workdir=runs"]) == 1
  assert "done already" in capfd.readouterr().out
  assert before == [p.stat().st_mtime_ns for p in (house / "runs").rglob("metrics.jsonl")]
  assert measured == one.stat().st_mtime_ns, "what was measured is not measured again"
  page = json.loads((house / "docs" / "results.json").read_text())["small"]
  assert page["near"]["values"] == kept["near"]["values"], "another's number is not taken for its"


def test_what_cannot_be_run_again_is_said_beside_the_old_number(house, monkeypatch):
  def measure(claim, result, workdir, seed, trained, seqlab):
    if broken:
      raise UserError("no such key")
    return 0.5

  claim = CLAIM.replace('published="5.5", low=5.0', 'published="5.5", low=0.0')
  (house / "experiments" / "papers" / "small.py").write_text(claim)
  monkeypatch.setattr(reproduce, "_measure", measure)
  for broken in (False, True):
    assert main(["reproduce", "small"]) == broken
    kept = json.loads((house / "docs" / "results.json").read_text())["small"]["near"]
    assert kept["values"] == [0.5, 0.5] and kept["why"] == "no such key" * broken
  page = (house / "docs" / "results.md").read_text()
  assert "NOT RUN again (near): no such key" in page


def test_two_at_a_time_on_their_shares_of_the_cores(house, monkeypatch):
  shares, both = {}, threading.Barrier(2, timeout=10)

  def measure(claim, result, workdir, seed, trained, seqlab):
    if result.name == "near" and seed == 0:
      both.wait()  # passed only if both run
      shares[claim.target] = os.sched_getaffinity(0)
    return 5.5

  for name in ("other", "small"):
    (house / "experiments" / "papers" / f"{name}.py").write_text(CLAIM)
  monkeypatch.setattr(reproduce, "_measure", measure)
  assert main(["reproduce", "--all", "--jobs=2"]) == 1
  kept = json.loads((house / "docs" / "results.json").read_text())
  assert kept.keys() == {"other", "small"}
  if len(os.sched_getaffinity(0)) > 1:
    assert not shares["other"] & shares["small"]
    assert shares["other"] | shares["small"] == os.sched_getaffinity(0)


def test_what_is_stopped_from_outside_stops_what_it_runs(house):
  write_of_several(house, CLAIM.replace("steps=2", "steps=10**6"))
  # a shell's job behind & would not hear SIGINT
  code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
  code += "from seqlab.cli import main; sys.exit(main(sys.argv[1:]))"
  command = [sys.executable, "-c", code, "reproduce", "small", "--jobs=2"]
  environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
  process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
  run = house / "runs/papers/small/config/seed0"
  while not (run / "metrics.jsonl").exists():
    assert process.poll() is None
    time.sleep(0.05)
  process.send_signal(signal.SIGINT)  # to it alone, not to its group as a terminal does
  assert process.wait(60) == 130
  assert list((run / "checkpoints").iterdir()), "it saved first"
  assert not (house / "docs" / "results.json").exists()


def test_a_stop_keeps_what_was_measured_before_it(house, monkeypatch):
  def measure(claim, result, workdir, seed, trained, seqlab):
    if result.name == "far":
      raise KeyboardInterrupt
    return 5.5

  page = house / "docs" / "results.json"
  page.parent.mkdir()
  page.write_text('{"gone": {"near": {"values": [1.0], "why": ""}}}')  # its file is there no more
  monkeypatch.setattr(reproduce, "_measure", measure)
  assert main(["reproduce", "small", "--workdir=runs"]) == 130
  kept = json.loads(page.read_text())
  assert kept.keys() == {"small"} and kept["small"].keys() == {"near"}
  assert kept["small"]["near"]["values"] == [5.5, 5.5]
  assert "NOT RUN" in page.with_suffix(".md").read_text()


def test_what_wants_another_device_waits_for_it(house, capfd):
  file = house / "experiments" / "papers" / "small.py"
  file.write_text(CLAIM.replace('says="a claim"', 'says="a claim", wants="gpu"'))
  assert main(["reproduce", "--all", "--workdir=runs"]) == 0
  assert capfd.readouterr().out.count("NOT RUN") == 3 and not (house / "runs").exists()
  page = (house / "docs" / "results.md").read_text()
  assert "NOT RUN (near): it wants a GPU: seqlab reproduce small" in page


def test_a_list_runs_nothing(house, capfd):
  assert main(["reproduce", "--list"]) == 0
  out = capfd.readouterr().out
  assert out.count("NOT RUN") == 3 and "cost: seconds" in out and not (house / "runs").exists()


@pytest.mark.parametrize(
  ("words", "said"),
  [
    (["smal"], "unknown target 'smal' (did you mean 'small'?)"),
    ([], "name a target, or give --all or --list"),
  ],
)
def test_what_cannot_be_run(house, words, said, capsys):
  assert main(["reproduce", *words]) == 2
  assert said in capsys.readouterr().err


def test_a_claim_that_cannot_be_read(house, capsys):
  (house / "experiments" / "papers" / "broken.py").write_text("CLAIM = dict(results=({},))")
  assert main(["reproduce", "--list"]) == 2
  assert "broken.py: its CLAIM cannot be read (TypeError" in capsys.readouterr().err


def test_every_paper_s_file_makes_a_claim_that_could_be_run():
  for claim in read_claims().values():
    assert claim.says and claim.source and claim.cost and claim.results
    for result in claim.results:
      assert result.low <= result.high
      of = f":{result.argument}" * bool(result.argument)
      config.load(f"{claim.file}{of}".replace("{seed}", "0"))
      command, *flags = shlex.split(result.measure)
      known = {flag for flag, _ in COMMANDS[command].flags}
      assert {flag.partition("=")[0] for flag in flags} <= known, result.measure


def test_a_number_belongs_to_a_command_a_config_and_its_plugins(tmp_path):
  mine, config_ = tmp_path / "mine.py", tmp_path / "config.json"
  mine.write_text("x = 1")
  config_.write_text(json.dumps(dict(steps=2, plugins=[str(mine)])))
  first = reproduce._what("evaluate", tmp_path)
  assert first == reproduce._what("evaluate", tmp_path) != reproduce._what("predict", tmp_path)
  mine.write_text("x = 2")
  second = reproduce._what("evaluate", tmp_path)
  config_.write_text(json.dumps(dict(steps=3, plugins=[str(mine)])))
  assert len({first, second, reproduce._what("evaluate", tmp_path)}) == 3
