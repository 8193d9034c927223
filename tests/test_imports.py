"""The house: who may import whom, read from the imports themselves.

`ROOMS` is the plan, from the ground floor up: a room may import the rooms that stand beside its
name, all of them below it, and nothing else of seqlab. A room is a folder or a file of `seqlab/`; a
new one needs a line here.
"""

import ast
import functools
import graphlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SEQLAB = ROOT / "seqlab"

ROOMS = {
  # Ground floor: knows nothing of sequence models.
  "errors": "",
  "exits": "",
  "spec": "errors",
  "keys": "",
  "leaves": "",
  "plugins": "errors",
  "runtime": "",
  "flops": "",
  "events": "",
  "metrics": "errors events",
  "trackers": "errors",
  "ops": "",
  "axes": "errors leaves",
  "data": "errors spec",
  "stored": "errors leaves",
  "agreement": "stored",
  "checkpoint": "errors leaves stored agreement",
  "pretrained": "errors leaves axes stored checkpoint",
  # What is trained, and how.
  "nn": "errors spec axes ops",
  "models": "errors leaves axes ops nn",
  "objectives": "errors ops",
  "model_flops": "flops ops objectives",
  "adapt": "errors spec leaves axes objectives",
  "schedules": "spec",
  "optim": "errors spec leaves axes adapt schedules",
  "step": "leaves axes objectives optim",
  # Where a config becomes what runs.
  "config": "errors spec keys",
  "positions": "errors spec nn",
  "limits": "errors spec keys leaves axes nn adapt positions trackers",
  "networks": "errors spec nn models",
  "sizing": "errors spec leaves models limits networks",
  "heads": "errors data",
  "batches": "spec axes data objectives",
  "build": "errors spec axes data objectives adapt schedules optim step positions limits networks "
  "heads batches",
  "bases": "errors leaves plugins axes data pretrained objectives adapt config",
  # The commands, and what they alone use.
  "laws": "errors leaves flops axes ops stored nn models objectives optim step",
  "decode": "axes models ops",
  "beam": "leaves axes models ops",
  "scores": "errors",
  "pictures": "errors metrics",
  "card": "",
  "progress": "",
  "signals": "",
  "processes": "errors signals",
  "programs": "",
  "table": "",
  "results": "errors scores",
  "alerts": "",
  "goodput": "",
  "log": "metrics progress alerts",
  "inspection": "data",
  "prepare": "errors data inspection",
  "folder": "errors runtime metrics data config card processes alerts goodput",
  "dispatches": "data",
  "trained": "errors axes data pretrained objectives adapt config positions build bases prepare",
  "texts": "errors trained",
  "generated": "errors spec data objectives decode scores pictures trained",
  "evaluate": "errors leaves axes data metrics objectives step build prepare trained generated "
  "table",
  "validation": "axes data objectives step build evaluate",
  "members": "errors metrics axes data checkpoint objectives adapt step config log progress "
  "processes programs pictures dispatches alerts goodput trackers",
  "generate": "errors beam scores results table trained texts",
  "maps": "errors spec data pictures generate trained texts",
  "predictors": "errors spec axes data objectives build scores trained texts evaluate",
  "predict": "results pictures table trained predictors",
  "merge": "errors keys data checkpoint adapt config bases card trained",
  "latent": "errors trained texts",
  "sample": "errors axes data config positions decode generated trained texts latent",
  "costs": "errors spec leaves flops ops data nn models networks sizing heads build table prepare",
  "coordinates": "errors spec axes data adapt step build bases pictures table prepare",
  "planning": "errors runtime flops ops axes data model_flops adapt step heads build prepare",
  "plan": "errors axes sizing build table planning",
  "diff": "errors keys metrics checkpoint pretrained config bases table",
  "mutants": "nn ops",
  "check": "errors spec plugins runtime nn laws table mutants",
  "train": "errors exits runtime flops metrics axes data checkpoint pretrained objectives "
  "model_flops adapt step sizing build bases processes alerts goodput log prepare folder "
  "dispatches validation members trackers",
  "diagnosis": "flops axes checkpoint",
  "doctor": "errors runtime metrics config train diagnosis",
  "sweeps": "errors exits keys plugins runtime events metrics data pretrained objectives config "
  "sizing build bases signals programs scores pictures table prepare trackers",
  "sweep": "errors alerts table sweeps",
  "attempt": "errors exits metrics processes sweeps",
  "comparison": "errors spec leaves plugins runtime metrics axes data models objectives "
  "model_flops step config networks sizing build decode scores pictures progress table prepare "
  "validation sweeps",
  "compare": "errors data table sweeps comparison",
  "scaling": "errors plugins data config sizing scores pictures table prepare sweeps comparison",
  "claims": "errors",
  "verdicts": "scores claims",
  "reproduce": "errors exits runtime table claims verdicts",
  "flags": "",
  "commands": "flags",
  "cli": "errors keys plugins runtime config flags commands",  # commands by name, when one runs
}

# Packages from outside that only some rooms may know.
OUTSIDE = {
  "flax": "nn models mutants",
  "ml_collections": "config networks sizing batches build bases folder trained merge costs "
  "coordinates planning plan validation dispatches members train sweeps comparison scaling",
  "optax": "adapt optim step build",
  "orbax": "stored",
  "datasets": "data",
  "tokenizers": "data",
  "regex": "data",
  "jieba": "",  # these three by name, where a step of cleaning needs one
  "opencc": "",
  "datasketch": "",
  "tensorboardX": "events",
  "wandb": "trackers",
  "trackio": "trackers",
  "matplotlib": "pictures",
  "PIL": "pictures",
  "sklearn": "data",
  "torch": "",
}
# Help and preparing data never wait for jax.
WITHOUT_JAX = (
  "errors spec keys events metrics trackers alerts data config card progress inspection prepare "
  "flags commands cli sweep attempt"
)
LAZY = (
  "datasets",
  "tokenizers",
  "regex",
  "tensorboardX",
  "wandb",
  "trackio",
  "matplotlib",
  "PIL",
  "sklearn",
)  # imported inside the function that needs them

LINES = 260


def files():
  return sorted(SEQLAB.rglob("*.py"))


def module_of(file):
  parts = file.relative_to(ROOT).with_suffix("").parts
  return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
  return module.split(".")[1]


@functools.cache
def imports(file, top_level=False):
  """Names of the modules that a file imports; inside functions as well, unless `top_level`."""
  tree = ast.parse(file.read_text())
  nodes = list(tree.body) if top_level else list(ast.walk(tree))
  found = set()
  for node in nodes:
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f"{file}: relative import; name the room"
      found.add(node.module)
      # `from seqlab.data import store` imports the module seqlab.data.store.
      inside = {f"{node.module}.{alias.name}" for alias in node.names}
      found |= inside & {module_of(f) for f in files()}
  return found


def test_the_plan_has_no_way_up():
  known = []
  for room, below in ROOMS.items():
    assert set(below.split()) <= set(known), f"{room}: {set(below.split()) - set(known)} is above"
    known.append(room)


def test_every_file_has_a_room_and_every_room_a_file():
  there = {room_of(module_of(f)) for f in files() if module_of(f) != "seqlab"}
  assert there == set(ROOMS), "a new room needs a line in ROOMS, one that is gone none"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_plan_allows(room):
  allowed = {room, *ROOMS[room].split()}
  for file in files():
    module = module_of(file)
    if module == "seqlab" or room_of(module) != room:
      continue
    seqlab = {name for name in imports(file) if name.startswith("seqlab.")}
    refused = {name for name in seqlab if room_of(name) not in allowed}
    assert not refused, f"{file.relative_to(ROOT)} may import {sorted(allowed)}"


def test_packages_from_outside_stay_in_their_rooms():
  for file in files():
    if module_of(file) == "seqlab":
      assert not imports(file), "`import seqlab` costs nothing"
      continue
    room = room_of(module_of(file))
    outside = {name.split(".")[0] for name in imports(file)}
    for package, rooms in OUTSIDE.items():
      assert package not in outside or room in rooms.split(), f"{module_of(file)}: {package}"
    assert room not in WITHOUT_JAX.split() or not outside & {"jax", "flax", "optax"}, file
    eager = {name.split(".")[0] for name in imports(file, top_level=True)}
    assert not eager & set(LAZY), f"{module_of(file)}: import it where it is used"


def test_objectives_and_networks_meet_only_in_build_and_in_the_laws():
  meeting = {
    room_of(module_of(file))
    for file in files()
    if module_of(file) != "seqlab"
    and {room_of(n) for n in imports(file) if n.startswith("seqlab.")} >= {"objectives"}
    and {room_of(n) for n in imports(file) if n.startswith("seqlab.")}
    & {"nn", "models", "networks"}
  }
  assert meeting == {"build", "laws"}


def test_no_modules_import_each_other_in_a_circle():
  graph = {}
  for file in files():
    module = module_of(file)
    names = {n for n in imports(file, top_level=True) if n.startswith("seqlab.")}
    # Inside a package, importing a sibling runs the package's __init__; that is no circle of ideas.
    graph[module] = {n for n in names if n != module and not module.startswith(f"{n}.")}
  list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the circle


@pytest.mark.parametrize("file", files(), ids=lambda f: str(f.relative_to(SEQLAB)))
def test_files_are_small_and_near_and_say_what_they_are(file):
  lines = file.read_text().count("\n")
  assert lines <= LINES, f"{lines} lines: one idea each"
  assert len(file.relative_to(SEQLAB).parents) <= 3, "at most two folders below seqlab/"
  assert ast.get_docstring(ast.parse(file.read_text())), "a docstring is missing"


def test_configs_of_experiments_import_nothing_of_seqlab():
  found = list((ROOT / "experiments").rglob("*.py"))
  assert found
  for file in found:
    assert not {n for n in imports(file) if n.split(".")[0] == "seqlab"}, file


def python(code, *arguments):
  done = subprocess.run(
    [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


HELP = """
import sys
from seqlab.cli import main
try:
  main(["train", "--help"])
except SystemExit as done:
  assert not done.code
print(sorted(sys.modules))
"""


def test_help_imports_no_jax():
  loaded = set(ast.literal_eval(python(HELP).splitlines()[-1]))
  assert "seqlab.cli" in loaded
  assert not {"jax", "flax", "optax", "orbax", "datasets", "tokenizers"} & loaded


PREPARE = """
import sys
from seqlab.cli import main
assert main(["prepare", *sys.argv[1:]]) == 0
"""

TRAIN = """
import sys
from seqlab.cli import main
assert main(["train", *sys.argv[1:]]) == 0
print(sorted(sys.modules))
"""


SAMPLE = """
import sys
from seqlab.cli import main
assert main(["sample", "--tokens=3", *sys.argv[1:]]) == 0
print(sorted(sys.modules))
"""


def test_training_on_a_prepared_store_imports_no_datasets_and_no_tokenizers(tmp_path):
  text = tmp_path / "text.txt"
  text.write_text("\n".join(f"{n} green bottles hang on the wall" for n in range(100)))
  flags = [
    f"--config.data.source=text(path={str(text)!r}, documents='line')",
    "--config.data.tokenizer=bpe(vocab=300)",
    f"--config.data.store={tmp_path / 'store'}",
  ]
  tiny = {
    "steps": 2, "batch": 8, "length": 8, "model.width": 8, "model.depth": 1,
    "model.mixer": "min_gru()", "model.mlp": "none()", "log.tensorboard": False,
  }  # fmt: skip
  tiny = [f"--config.{key}={value}" for key, value in tiny.items()]
  python(PREPARE, *flags)
  out = python(TRAIN, *flags, *tiny, f"--workdir={tmp_path}")
  loaded = set(ast.literal_eval(out.splitlines()[-1]))
  assert "seqlab.train" in loaded and "orbax" in loaded
  assert not {"datasets", "tokenizers", "torch", "tensorflow"} & loaded
  text.unlink()
  out = python(SAMPLE, f"--workdir={tmp_path}")
  assert not {"datasets", "torch", "tensorflow"} & set(ast.literal_eval(out.splitlines()[-1]))
