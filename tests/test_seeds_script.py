"""scripts/seeds: runs over seeds, their interval, and a table with the floors of the text."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = """
from ml_collections import ConfigDict

ARGUMENTS = ("rnn",)

def get_config(name="rnn"):
  config = ConfigDict(dict(steps=3, batch=8, length=16))
  config.model = ConfigDict(dict(depth=1, mixer=f"{name}()", parameters=2000, mlp="none()"))
  config.data = ConfigDict(dict(source="text(path='words.txt', documents='line')"))
  config.data.tokenizer = "characters()"
  config.log = ConfigDict(dict(tensorboard=False))
  return config
"""


def test_mistakes_are_one_line(tmp_path):
  (tmp_path / "one.py").write_text("def get_config(): ...")
  for config, said in {"none.py:*": "no such file", "one.py:*": "lists no ARGUMENTS"}.items():
    command = [sys.executable, ROOT / "scripts/seeds", config, "--runs=runs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_a_table_made_in_parts(tmp_path):
  (tmp_path / "small.py").write_text(CONFIG)
  (tmp_path / "experiments/papers").mkdir(parents=True)
  lines = (f"{n} green bottles hang on the wall\n" for n in range(80))
  (tmp_path / "words.txt").write_text("".join(lines))
  common = ["small.py:*", "--runs=runs", "--seeds=2", "--config.data.store=store"]

  def seeds(*more):
    command = [sys.executable, ROOT / "scripts/seeds", *common, *more]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

  first = seeds("--part=1/2")
  assert "seed 1" in first and "seed 0" not in first
  assert "95%, 2 seeds" in seeds("--table=small")
  page = (tmp_path / "docs/results.md").read_text()
  table = (tmp_path / "docs/tables/small.md").read_text()
  assert page.endswith(f"{table}\n![small](tables/small.png)\n")
  assert (tmp_path / "docs/tables/small.png").read_bytes().startswith(b"\x89PNG")
  for name in ("rnn", "*unigram (Kneser-Ney)*", "*trigram (Kneser-Ney)*"):
    assert f"| {name} | " in page
