"""Configs: a short list of keys, each of one type; files, overrides, and what a run keeps."""

import inspect
import pathlib
import re

import pytest
from ml_collections import ConfigDict
from registries import registries as registries

from seqlab import build, networks, plugins
from seqlab import config as configs
from seqlab.cli import main
from seqlab.config import difference, flat, load, read, save
from seqlab.data.array_sources import ARRAY_SOURCES
from seqlab.data.cleaning.pipeline import build_pipeline
from seqlab.data.sources import SOURCES
from seqlab.data.split import build_split
from seqlab.data.tasks import TASKS
from seqlab.data.vocabulary import plan_tokenizer
from seqlab.errors import UserError
from seqlab.keys import DEFAULTS, FREE
from seqlab.nn.channel_mixers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.objectives import OBJECTIVES
from seqlab.optim import OPTIMIZERS
from seqlab.prepare import prepare
from seqlab.schedules import SCHEDULES
from seqlab.spec import make, parse, parse_one

ROOT = pathlib.Path(__file__).parents[1]
BUDGET = 62

# Keys that hold calls, and what they may name.
MEMBERS = {
  "schedule": SCHEDULES,
  "optimizer": OPTIMIZERS,
  "objective": OBJECTIVES,
  "model.mixer": MIXERS,
  "model.mlp": CHANNEL_MIXERS,
  "data.source": SOURCES,
}


def test_keys_are_few():
  """A new part brings its arguments in its call; a new key needs a better reason."""
  assert len(DEFAULTS) <= BUDGET


def test_every_key_is_a_plain_value_with_a_word_on_it():
  for key, (default, said) in DEFAULTS.items():
    assert type(default) in (int, float, bool, str, tuple), key  # None and lists have no override
    assert said or key.startswith("mesh."), key
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", key), f"{key}: sections are one deep"
    assert key == key.lower() and "=" not in key
  sections = {key.split(".")[0] for key in DEFAULTS if "." in key}
  assert not sections & DEFAULTS.keys(), "a key and a section of one name"


def test_free_keys_are_keys():
  for free in FREE:
    assert [key for key in DEFAULTS if key.startswith(free)], free


def test_the_parts_of_the_defaults_are_members():
  calls = {key for key, (default, _) in DEFAULTS.items() if str(default).endswith(")") and default}
  assert calls - {"data.tokenizer", "data.valid"} == set(MEMBERS)
  for key, members in MEMBERS.items():
    for call in parse(DEFAULTS[key][0], key):
      assert call.name in members
    for name in members:  # and the key's own words name them all
      assert re.search(rf"\b{name}\b", DEFAULTS[key][1]) or key in ("model.mixer", "objective"), (
        name
      )
  plan_tokenizer(DEFAULTS["data.tokenizer"][0])
  build.check(load(""))


def test_help_lists_every_key(capsys):
  with pytest.raises(SystemExit):
    main(["train", "--help"])
  out = capsys.readouterr().out
  assert all(f"--config.{key}=" in out for key in DEFAULTS)


@pytest.mark.parametrize(
  ("override", "value"),
  [
    ("steps=7", 7),
    ("lr=3", 3.0),  # a whole number will do for a number
    ("lr=1e-4", 1e-4),
    ("model.tied=False", False),
    ("model.tied=false", False),
    ("model.mixer=lstm() | attention(heads=2)", "lstm() | attention(heads=2)"),
    ("data.store=3", "3"),  # text stays text
    ("data.source=text(path='a=b.txt')", "text(path='a=b.txt')"),
    ("rates=(('V', 0.1), ('norm', 2))", (("V", 0.1), ("norm", 2))),
    ("rates=[['V', 0.1]]", (("V", 0.1),)),
    ("plugins=('a.py',)", ("a.py",)),
    ("mesh.data=-1", -1),
  ],
)
def test_an_override_is_read_as_the_keys_type(override, value):
  config = dict(flat(load("", [override])))
  found = config[override.partition("=")[0]]
  assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
  ("override", "wanted"),
  [
    ("steps=7.0", "a whole number"),
    ("steps=True", "a whole number"),
    ("lr=True", "a number"),
    ("lr=fast", "a number"),
    ("model.tied=0", "True or False"),
    ("rates=V", "a tuple"),
    ("steps", "a value is missing; write --config.steps=VALUE"),
    ("stesp=3", "unknown key config.stesp (did you mean 'steps'?)"),
    ("model.widht=3", "(did you mean 'model.width'?)"),
    ("widht=3", "unknown key config.widht"),
    ("model=3", "it is a section with model.name"),
  ],
)
def test_what_is_refused(override, wanted):
  with pytest.raises(UserError) as error:
    load("", [override])
  assert wanted in str(error.value) and "\n" not in str(error.value)


def test_the_last_override_wins_and_overrides_beat_the_file(tmp_path):
  file = written(tmp_path, steps=5, lr=2)
  assert load(file).steps == 5 and load(file).lr == 2.0 and type(load(file).lr) is float
  assert load(file, ["steps=6", "steps=7"]).steps == 7
  assert load(file).batch == 4 and load(file).length == DEFAULTS["length"][0]


def written(folder, **values):
  file = folder / "config.py"
  file.write_text(
    f"def get_config(batch='4'):\n  config = {values!r}\n"
    "  config['batch'] = int(batch)\n  return config\n"
  )
  return str(file)


def test_an_argument_behind_the_file_is_handed_on(tmp_path):
  file = written(tmp_path, steps=5)
  assert load(f"{file}:12").batch == 12
  with pytest.raises(UserError, match=r"get_config\(\) fails with ValueError"):
    load(f"{file}:twelve")


def test_an_argument_that_the_file_does_not_list(tmp_path):
  file = pathlib.Path(written(tmp_path, steps=5))
  file.write_text("ARGUMENTS = ('12', '34')\n" + file.read_text())
  assert load(f"{file}:12").batch == 12 and load(str(file)).batch == 4
  with pytest.raises(UserError, match=r"'13' is none of its arguments .*; they are 12, 34"):
    load(f"{file}:13")


def test_an_override_fills_a_placeholder(tmp_path):
  file = tmp_path / "config.py"
  file.write_text(
    "from ml_collections import ConfigDict, config_dict\n"
    "def get_config():\n  return ConfigDict(dict(lr=config_dict.required_placeholder(float)))\n"
  )
  assert load(str(file), ["lr=3"]).lr == 3.0
  with pytest.raises(UserError, match=r"config\.lr is a placeholder"):
    load(str(file))


def test_a_config_is_locked_and_its_own(tmp_path):
  shared = ConfigDict(dict(width=32))
  file = tmp_path / "config.py"
  file.write_text(
    "from ml_collections import ConfigDict\nMODEL = ConfigDict(dict(width=32))\n"
    "def get_config():\n  return ConfigDict(dict(model=MODEL))\n"
  )
  one, other = load(str(file)), load(str(file))
  one.model.width = 99
  assert other.model.width == 32 and load(str(file)).model.width == shared.width == 32
  with pytest.raises(AttributeError):
    one.model.widht = 3
  assert set(dict(flat(one))) == set(DEFAULTS)


def test_references_are_resolved(tmp_path):
  """A copy of a ConfigDict shares its references, which would follow the original's changes."""
  file = tmp_path / "config.py"
  file.write_text(
    "from ml_collections import ConfigDict\n"
    "def get_config():\n  c = ConfigDict(dict(length=64))\n"
    "  c.batch = c.get_ref('length') * 2\n  return c\n"
  )
  config = load(str(file), ["length=16"])
  assert config.length == 16 and config.batch == 128  # what the file said when it was read
  assert type(config.batch) is int


def test_what_is_saved_is_read_again(tmp_path):
  config = load(
    "", ["rates=(('V', 0.5),)", "model.mixer=lstm()", "data.source=text(path='唐诗.txt')"]
  )
  save(config, tmp_path / "config.json")
  again = read(tmp_path / "config.json")
  assert dict(flat(again)) == dict(flat(config)) and type(again.rates[0]) is tuple
  assert "唐诗" in (tmp_path / "config.json").read_text("utf-8")
  assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_a_config_saved_by_an_older_version_gets_the_defaults(tmp_path):
  (tmp_path / "config.json").write_text('{"steps": 3}')
  assert read(tmp_path / "config.json").steps == 3
  assert read(tmp_path / "config.json").batch == DEFAULTS["batch"][0]
  (tmp_path / "config.json").write_text('{"steps": 3, "gone": 1}')
  with pytest.raises(UserError, match=r"unknown key config\.gone"):
    read(tmp_path / "config.json")


def test_a_kill_while_saving_costs_nothing(tmp_path, monkeypatch):
  path = tmp_path / "config.json"
  save(load("", ["steps=3"]), path)

  def killed(*_, **__):
    raise KeyboardInterrupt

  monkeypatch.setattr(configs.os, "replace", killed)
  with pytest.raises(KeyboardInterrupt):
    save(load("", ["steps=4"]), path)
  assert read(path).steps == 3


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_difference_is_of_what_decides_the_numbers(key):
  other = {int: 3, float: 0.5, bool: None, str: "x", tuple: (("V", "tensor"),)}
  default = DEFAULTS[key][0]
  value = (not default) if isinstance(default, bool) else other[type(default)]
  changed = load("", [f"{key}={value}"])
  found = difference(load(""), changed)
  if key.startswith(FREE):
    assert found == []
  else:
    assert found == [f"{key}: {default!r}, now {value!r}"]


def experiments():
  """Each config file, with each argument that it lists or that its docstring's commands give it."""
  for file in sorted((ROOT / "experiments").rglob("*.py")):
    name, held = str(file.relative_to(ROOT)), {}
    exec(file.read_text(), held)
    settings = re.findall(rf"{re.escape(name)}:([\w-]+)", file.read_text())
    settings = held.get("ARGUMENTS", ()) or settings
    yield from [name, *(f"{name}:{setting}" for setting in dict.fromkeys(settings))]


@pytest.mark.parametrize("name", list(experiments()))
def test_every_experiment_resolves(name, monkeypatch, registries):
  """Its keys are keys, its parts are members, and its network can be described; nothing is run."""
  monkeypatch.chdir(ROOT)
  config = load(name)
  plugins.load(config.plugins)
  build.check(config)
  for key, members in MEMBERS.items():
    if key in ("objective", "data.source"):
      continue
    given = dict(steps=10, steps_per_epoch=1) if key == "schedule" else {}
    text = dict(flat(config))[key]
    for call in parse(text, key):
      if key == "schedule" and call.name != "per_epoch":
        given.pop("steps_per_epoch", None)
      make(call, members, key, **given)
  assert parse_one(config.objective).name in OBJECTIVES
  sources = SOURCES | ARRAY_SOURCES | TASKS
  for call in parse(config.data.source):  # made, they would look for their files
    assert call.kwargs.keys() <= {"weight", *inspect.signature(sources[call.name]).parameters}
  build_pipeline(config.data.clean)
  if config.data.valid.startswith(("hash", "tail")):
    build_split(config.data.valid)
  if "path='runs/" not in config.data.tokenizer:  # that is of a run made by another stage
    plan_tokenizer(config.data.tokenizer)
  heads = dict(
    classification=dict(classes=2), adversarial=dict(classes=2), tagging=dict(tags=3, crf=True)
  )
  head = heads.get(parse_one(config.objective).name, {})
  image = "mnist" in config.data.source or config.data.source == "digits()"
  shape = (28, 28, 1) if image else (2,)
  networks.make_network(config, networks.Ends(config.model.vocab or 300, shape=shape, **head))


@pytest.mark.parametrize("name", [n for n in experiments() if ":" not in n])
def test_every_experiment_says_what_it_is(name):
  """What, the command that runs it, how long, and the number to expect; under 80 lines."""
  text = (ROOT / name).read_text()
  docstring = text.split('"""')[1]
  for heading in ("Command:", "Time:", "Expected:"):
    assert heading in docstring, f"{name}: {heading}"
  assert f"--config={name}" in docstring
  assert text.count("\n") <= 80


@pytest.mark.parametrize("name", list(experiments()))
def test_every_flag_in_an_experiments_docstring_is_a_key(name):
  text = (ROOT / name.partition(":")[0]).read_text()
  for key in re.findall(r"--config\.([a-z_.]+)=", text):
    assert key in DEFAULTS, key


def test_prepare_takes_a_configs_parts(tmp_path):
  """The data keys are the arguments of `prepare`."""
  (tmp_path / "a.txt").write_text("one two three " * 50)
  config = load(
    "",
    [
      f"data.source=text(path={str(tmp_path / 'a.txt')!r})",
      "data.valid=tail(fraction=0.5)",
      f"data.store={tmp_path / 'store'}",
    ],
  )
  data = config.data
  corpus = prepare(data.source, data.tokenizer, data.valid, data.store, tell=lambda line: None)
  assert corpus.size("train")["characters"] == corpus.size("valid")["characters"] == 350
