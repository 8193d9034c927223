"""`config.model.parameters` finds the width, for any mixer, and says where there is none."""

import importlib.util
import json

import pytest

from seqlab.cli import main
from seqlab.config import load
from seqlab.errors import UserError
from seqlab.nn.mixers import MIXERS
from seqlab.sizing import size, sized, width_for

SMALL = "model.depth=2", "model.mlp=gated()"


@pytest.mark.parametrize("mixer", ["rnn()", "attention(heads=4)", "min_gru() | attention(heads=2)"])
def test_no_other_width_comes_nearer(mixer):
  config = load("", [*SMALL, f"model.mixer={mixer}", "model.parameters=30000"])
  found = sized(config)
  assert config.model.width == 256 and found.model.width % 4 == 0
  off = abs(size(found) - 30000)
  for other in (-8, -4, 4, 8):
    if mixer.startswith("att") and other % 8:
      continue  # of 4 heads, whose parts are even
    near = load("", [*SMALL, f"model.mixer={mixer}", f"model.width={found.model.width + other}"])
    assert abs(size(near) - 30000) >= off


def test_without_it_the_width_stays():
  config = load("", ["model.width=64"])
  assert sized(config) is config


def test_an_encoder_decoder_is_sized_with_both_stacks():
  config = load("", ["model.depth=1", "model.name=encoder_decoder()", "model.mixer=rnn()"])
  width, found = width_for(config, 30000)
  assert abs(found / 30000 - 1) < 0.2
  alone = load("", ["model.depth=1", "model.mixer=rnn()", f"model.width={width}"])
  assert size(alone) < 0.6 * found


@pytest.mark.parametrize(
  "overrides, words",
  [
    (["model.parameters=40"], "the nearest is .* another config.model.depth than 4 comes nearer"),
    (["model.parameters=9999", "model.name=mlp()"], "'mlp' is no stack of mixers"),
    (["model.parameters=-1"], "0 or more is wanted"),
    (["model.parameters=9999", "model.mixer=attention(heads=1009)"], "heads=1009"),
  ],
  ids=str,
)
def test_what_no_width_gives_is_refused(overrides, words):
  with pytest.raises(UserError, match=words):
    sized(load("", overrides))


def test_a_run_keeps_the_width_that_was_found(tmp_path, capsys):
  tiny = {
    "steps": 2, "batch": 8, "length": 8, "model.parameters": 2600, "model.depth": 1,
    "model.mixer": "min_gru()", "log.tensorboard": False, "evaluate.batches": 1,
  }  # fmt: skip
  command = ["train", f"--workdir={tmp_path}", *(f"--config.{k}={v}" for k, v in tiny.items())]
  assert main(command) == 0
  saved = json.loads((tmp_path / "config.json").read_text())
  assert saved["model.parameters"] == 2600 and saved["model.width"] < 32
  assert main(command) == 0  # found again, so the run is the same
  assert "done already" in capsys.readouterr().out


def test_the_table_of_mixers_has_them_all():
  spec = importlib.util.spec_from_file_location("char", "experiments/char_shakespeare.py")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  assert set(module.MIXERS) == set(MIXERS)
