"""Every command as a user runs it: in a process of its own, on a small text, from its flags
alone.
"""

import json
import os
import subprocess
import sys
import time

import pytest

from seqlab.cli import COMMANDS

TEXT = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。\n" * 60 + "the cat sat on the mat.\n" * 60
MINE = """
import flax.linen as nn
from seqlab.nn.layers import weight
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.ops.dense import dense


class Pointwise(Mixer):
  @nn.compact
  def __call__(self, x_BTD, pos_BT, state=None):
    return dense(x_BTD, weight(self, "w_DF", (x_BTD.shape[-1],) * 2)), state

  def init_state(self, batch, width, capacity, dtype=None):
    return {}


MIXERS["pointwise"] = Pointwise
"""


def seqlab(*arguments, code=0):
  environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1"}
  command = [sys.executable, "-m", "seqlab.cli", *map(str, arguments)]
  done = subprocess.run(command, env=environment, capture_output=True, text=True)
  assert done.returncode == code, done.stderr
  return done.stdout


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
  folder = tmp_path_factory.mktemp("commands")
  (folder / "text.txt").write_text(TEXT, encoding="utf-8")
  (folder / "mine.py").write_text(MINE)
  return folder, [
    f"--config.data.source=text(path='{folder / 'text.txt'}', documents='line')",
    "--config.data.tokenizer=characters()",
    f"--config.data.store={folder / 'data'}",
    "--config.batch=4",
    "--config.length=16",
    "--config.model.width=16",
    "--config.model.depth=2",
    "--config.model.mixer=min_gru() | attention(heads=2)",
  ]


@pytest.fixture(scope="module")
def trained(flags):
  folder, config = flags
  said = seqlab(
    "train", f"--workdir={folder / 'run'}", *config, "--config.steps=60", "--config.lr=0.02",
    "--config.schedule=constant(warmup=5)", "--config.log.profile=20",
  )  # fmt: skip
  assert "step 60/60" in said and "tokens/s" in said and "valid: loss" in said
  return folder / "run"


def test_prepare(flags):
  said = seqlab("prepare", *flags[1])
  assert "sha256" in said and "tokens" in said and "春眠不觉晓" in said


def test_train_leaves_what_a_reader_needs(trained):
  lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
  losses = [line["loss"] for line in lines if "loss" in line]
  assert losses[-1] < 0.5 * losses[0]
  assert any("valid/loss" in line for line in lines)
  card = (trained / "card.md").read_text()
  for said in ("seqlab train", "parameters", "sha256", "cpu", "model.mixer", "bits_per_character"):
    assert said in card
  assert (trained / "tokenizer").is_dir()
  assert list((trained / "tensorboard").glob("events*"))
  assert list((trained / "profile").rglob("*.xplane.pb"))


def test_a_finished_run_is_not_run_again(flags, trained):
  card = (trained / "card.md").read_text()
  said = seqlab(
    "train", f"--workdir={trained}", *flags[1], "--config.steps=60", "--config.lr=0.02",
    "--config.schedule=constant(warmup=5)",
  )  # fmt: skip
  assert "done already" in said
  assert (trained / "card.md").read_text() == card


def test_evaluate_gives_the_same_whatever_the_batch(trained):
  found = []
  for batch in (0, 3, 7):
    said = seqlab("evaluate", f"--workdir={trained}", f"--batch={batch}")
    assert "perplexity" in said and "bits per character" in said
    result = json.loads((trained / "evaluate_valid.json").read_text())
    found.append({name: value for name, value in result.items() if isinstance(value, float)})
  assert len(found[0]) == 4
  for other in found[1:]:
    assert other == pytest.approx(found[0], rel=1e-5)
  lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
  last = [line for line in lines if "valid/loss" in line][-1]
  assert found[0]["loss"] == pytest.approx(last["valid/loss"], rel=1e-5)


def test_evaluate_on_another_text(flags, trained):
  other = flags[0] / "other.txt"
  other.write_text("zebra quick fox\n" * 40)
  seqlab("evaluate", f"--workdir={trained}", f"--data=text(path='{other}', documents='line')")
  assert json.loads((trained / "evaluate_valid.json").read_text())["loss"] > 2


def test_sample(trained):
  options = [f"--workdir={trained}", "--prompt=春眠", "--temperature=0", "--tokens=20"]
  said = seqlab("sample", *options)
  assert said.startswith("春眠不觉晓")
  assert seqlab("sample", *options, "--stop=晓").strip() == "春眠不觉"
  several = seqlab("sample", *options, "--prompt=the c", "--samples=2")
  assert several.count("--- ") == 4 and "春眠不觉晓" in several and "the cat" in several


def test_flops(flags):
  said = seqlab("flops", *flags[1])
  assert "min_gru()" in said and "attention(heads=2)" in said and "state bytes" in said


def test_check_proves_a_mixer_of_ones_own_and_names_the_law_that_is_broken(flags):
  mine = flags[0] / "mine.py"
  said = seqlab("check", f"--plugin={mine}")
  assert "pointwise()" in said and "BROKEN" not in said
  mine.write_text(MINE.replace("return dense(x_BTD", "return dense(x_BTD[:, ::-1]"))
  said = seqlab("check", f"--plugin={mine}", code=1)
  assert "causality: the output at time 0 depends on the input at time 11" in said


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_quick_and_shows_an_example(command):
  began = time.process_time(), os.times().children_user
  said = seqlab(*([command] if command else []), "--help")
  assert "example" in said and "seqlab " in said
  assert os.times().children_user - began[1] < 1.0
