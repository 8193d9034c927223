"""The documents tell the truth: commands exist, the example holds the laws, the table is the
plan."""

import pathlib
import re
import shlex

import pytest
from test_imports import ROOMS

from seqlab import laws
from seqlab.cli import COMMANDS
from seqlab.keys import DEFAULTS
from seqlab.nn.mixers import MIXERS

LONG = "forms", "gradients", "saving", "sharding"
ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HOW_TO = (ROOT / "docs/how_to_add_a_mixer.md").read_text()


def commands(text):
  """The lines of a document's blocks that begin with `seqlab`, each with its continuation."""
  blocks = "".join(re.findall(r"^```\n(.*?)^```", text, re.S | re.M))
  lines = re.sub(r"\\\n\s*", "", blocks).splitlines()
  return [shlex.split(line) for line in lines if line.startswith("seqlab ")]


@pytest.mark.parametrize("words", commands(README + HOW_TO), ids=" ".join)
def test_a_command_of_the_documents_exists(words):
  command = COMMANDS[words[1]]
  flags = {flag for flag, _ in command.flags} | ({"--config"} if command.takes_config else set())
  options = dict(command.flags)
  for word in words[2:]:
    flag, _, value = word.partition("=")
    if "target" in flags and not flag.startswith("-"):
      assert (ROOT / f"experiments/papers/{flag}.py").is_file()
    elif "action" in flags and not flag.startswith("-"):
      assert flag in options["action"]["choices"]
    elif "a" in flags and not flag.startswith("-"):  # the folder of a run
      assert flag.startswith("runs/")
    elif flag.startswith("--config."):
      assert command.takes_config
      assert flag.removeprefix("--config.") in DEFAULTS
    else:
      assert flag in flags
    if flag == "--config":
      assert (ROOT / value.partition(":")[0]).is_file()


def test_files_that_the_readme_names_are_there():
  named = re.findall(r"(?:docs|experiments|scripts)/[\w./]+\w", README)
  assert named
  for name in named:
    assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
  "name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in laws.LAWS]
)
def test_the_example_of_a_mixer_holds_the_laws(name, monkeypatch):
  monkeypatch.setattr("seqlab.nn.mixers.MIXERS", dict(MIXERS))
  source = re.search(r"```python\n(.*?)```", HOW_TO, re.S).group(1)
  module = {"__name__": "moving_average"}
  exec(source, module)
  laws.LAWS[name](module["MovingAverage"]())


def test_the_table_of_rooms_is_the_plan():
  page = (ROOT / "docs/architecture.md").read_text().partition("| room |")[2]
  rows = re.findall(r"^\| (\w+) \| .* \| ([\w, –]+) \|$", page, re.M)
  assert {room: set(below.replace("–", "").replace(",", " ").split()) for room, below in rows} == {
    room: set(below.split()) for room, below in ROOMS.items()
  }


def test_every_fault_of_the_list_has_its_test():
  rows = (ROOT / "docs/faults.md").read_text()
  named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", rows)
  assert len(named) > 15
  for file, name in named:
    text = (ROOT / "tests" / file).read_text()
    found = re.search(rf"^((?:@.*\n)*)def {name}\(", text, re.M)
    assert found, f"{file}::{name}"
    (row,) = [line for line in rows.splitlines() if f"::{name}`" in line]
    assert ("pytest.mark.slow" in found[1]) == ("* |" in row), f"{name}: a star says it is slow"
