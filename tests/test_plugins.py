"""Files of the user's that register parts: any part, once, before anything reads a config."""

import json
import math
import pathlib

import pytest
from registries import registries as registries

from seqlab import plugins
from seqlab.cli import main
from seqlab.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
EXPERTS = ROOT / "scripts/plugins/patch_experts.py"


def test_what_a_plugin_registers_is_trained_and_evaluated(tmp_path, registries):
  flags = dict(
    plugins=f"('{EXPERTS}',)", objective="dispatched()", batch=128, steps=3,
    optimizer="normalised()", decay=0.0,
  )  # fmt: skip
  flags |= {"model.name": "patch_experts(experts=4)", "data.source": "patches(count=256)"}
  flags |= {"data.valid": "patches(count=128, seed=1)", "log.tensorboard": False}
  flags = [f"--config.{key}={value}" for key, value in flags.items()]
  assert main(["train", f"--workdir={tmp_path}", *flags]) == 0
  assert main(["evaluate", f"--workdir={tmp_path}"]) == 0
  found = json.loads((tmp_path / "evaluate_valid.json").read_text())
  assert 0 <= found["accuracy"] <= 1
  assert 1.2 < found["dispatch_entropy"] <= math.log(4) + 1e-5  # sent by noise alone
  assert main(["predict", f"--workdir={tmp_path}"]) == 0
  saved = json.loads((tmp_path / "config.json").read_text())
  (tmp_path / "config.json").write_text(json.dumps({**saved, "plugins": ["gone.py"]}))
  assert main(["evaluate", f"--workdir={tmp_path}"]) == 2


def test_a_file_runs_once_until_it_is_changed(tmp_path):
  file, told = tmp_path / "mine.py", tmp_path / "told"
  file.write_text(f"open({str(told)!r}, 'a').write('x')")
  plugins.load([str(file)])
  plugins.load([str(file), str(file)])
  assert told.read_text() == "x"
  file.write_text(f"open({str(told)!r}, 'a').write('yz')  # longer")
  plugins.load([str(file)])
  assert told.read_text() == "xyz"


@pytest.mark.parametrize(
  "text, words",
  [("import no_such_module", "ModuleNotFoundError"), ("raise SystemExit(3)", "SystemExit: 3")],
)
def test_a_file_that_fails_says_how(tmp_path, text, words):
  file = tmp_path / "mine.py"
  file.write_text(text)
  with pytest.raises(UserError, match=words):
    plugins.load([str(file)])
