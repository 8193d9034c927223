"""Experiment configs: a Python file's `get_config()` laid over the defaults here, then
`--config.key=value`.

Every mistake is one line: an unknown key names the nearest, a wrong value the type that is wanted.
"""

import ast
import contextlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import RequiredValueError

from seqlab.errors import UserError, nearest
from seqlab.keys import DEFAULTS, FREE, REQUIRED, TUPLES
from seqlab.spec import WORDS


def load(
  file: str, overrides: Iterable[str] = (), changes: Mapping[str, Any] | None = None
) -> ConfigDict:
  """The resolved config: defaults, then the file's `get_config()`, then overrides `key=value`, then
  `changes` of a sweep, {key: value}.

  `file` may end in `:ARGUMENT`, which is handed to `get_config`; where the file lists `ARGUMENTS`,
  it is one of these. It may also be the config.json of a run. An empty `file` gives the defaults.

  Raises:
    UserError: no such file or argument, no get_config, an unknown key, or a value of another type.
  """
  values = {key: default for key, (default, _) in DEFAULTS.items()}
  if file.endswith(".json"):
    values |= dict(flat(read(pathlib.Path(file))))
  elif file:
    for key, value in flat(_get_config(file)):
      _set(values, key, value, file)
  for override in overrides:
    key, equals, text = override.partition("=")
    if not equals:
      raise UserError(f"--config.{key}: a value is missing; write --config.{key}=VALUE")
    _set(values, key, _read(key, text), "--config")
  for key, value in (changes or {}).items():
    _set(values, key, value, "what is tried")
  for key, value in values.items():
    if value is REQUIRED:
      raise UserError(
        f"{file}: config.{key} is a placeholder that wants a value; write --config.{key}=VALUE"
      )
  return _nest(values)


def save(config: ConfigDict, path: pathlib.Path) -> None:
  """Writes the resolved config as JSON."""
  whole = path.with_suffix(".tmp")  # a kill in the middle of writing must not cost the run
  whole.write_text(json.dumps(dict(flat(config)), indent=2, ensure_ascii=False) + "\n")
  os.replace(whole, path)


def read(path: pathlib.Path) -> ConfigDict:
  """Reads what `save` wrote. Keys that came after it have their defaults."""
  values = {key: default for key, (default, _) in DEFAULTS.items()}
  try:
    saved = json.loads(path.read_text())
  except ValueError as error:
    raise UserError(f"{path}: not a config that seqlab saved ({error})") from None
  except OSError as error:
    raise UserError(f"{path}: cannot be read ({error.strerror})") from None
  if not isinstance(saved, dict):
    raise UserError(
      f"{path}: not a config that seqlab saved (a JSON object is wanted, not "
      f"{type(saved).__name__})"
    )
  for key, value in saved.items():
    _set(values, key, value, str(path))
  return _nest(values)


def difference(old: ConfigDict, new: ConfigDict) -> list[str]:
  """The keys that decide a run's numbers and differ, each as `key: OLD, now NEW`."""
  before, after = dict(flat(old)), dict(flat(new))
  return [
    f"{key}: {before[key]!r}, now {after[key]!r}"
    for key in after
    if before[key] != after[key] and not key.startswith(FREE)
  ]


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
  """Whatever the user's code raises inside becomes a UserError."""
  try:
    yield
  except (Exception, SystemExit) as error:
    raise UserError(f"{what} fails with {type(error).__name__}: {error}") from None


def run_file(file: str) -> Any:
  """The module of a config file, which may end in `:ARGUMENT`.

  Raises:
    UserError: no such file, none of Python, or one that fails.
  """
  path = file.partition(":")[0]
  if not os.path.exists(path):
    raise UserError(f"--config={file}: no such file{_nearby(path)}")
  spec = importlib.util.spec_from_file_location("seqlab_config", path)
  if spec is None or spec.loader is None:
    raise UserError(f"--config={file}: a config is a Python file (.py) with get_config()")
  module = importlib.util.module_from_spec(spec)
  with failing(f"--config={file}: the file"):
    spec.loader.exec_module(module)
  return module


def _get_config(file: str) -> Mapping:
  module, argument = run_file(file), file.partition(":")[2]
  if not hasattr(module, "get_config"):
    raise UserError(f"--config={file}: the file has no get_config()")
  known = tuple(getattr(module, "ARGUMENTS", ()))
  if argument and known and argument not in known:
    raise UserError(
      f"--config={file}: {argument!r} is none of its arguments{nearest(argument, known)}; they are "
      f"{', '.join(known)}"
    )
  with failing(f"--config={file}: get_config()"):
    config = module.get_config(argument) if argument else module.get_config()
  if not isinstance(config, Mapping | ConfigDict):
    raise UserError(f"--config={file}: get_config() returns {config!r}; return a ConfigDict")
  return config


def _nearby(path: str) -> str:
  folder = pathlib.Path(path).parent
  return nearest(path, [str(p) for p in folder.glob("*.py")]) if folder.is_dir() else ""


def flat(tree: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
  """The keys of a config, dotted, with their values."""
  for key in tree:  # not items(): that would resolve references to copies
    try:
      value = tree[key]
    except RequiredValueError:  # an override may still fill it
      value = REQUIRED
    if isinstance(value, Mapping | ConfigDict):
      yield from flat(value, f"{prefix}{key}.")
    else:
      yield f"{prefix}{key}", value


def _nest(values: Mapping[str, Any]) -> ConfigDict:
  nested: dict[str, Any] = {}
  for key, value in values.items():
    *folders, leaf = key.split(".")
    at = nested
    for folder in folders:
      at = at.setdefault(folder, {})
    at[leaf] = value
  return ConfigDict(nested).lock()


def _set(values: dict[str, Any], key: str, value: Any, where: str) -> None:
  if key not in values:
    inside = [k for k in values if k.startswith(f"{key}.")]
    hint = f"; it is a section with {', '.join(inside)}" if inside else nearest(key, values)
    raise UserError(f"{where}: unknown key config.{key}{hint}")
  values[key] = value if value is REQUIRED else _typed(key, value, where)


def _typed(key: str, value: Any, where: str) -> Any:
  default = DEFAULTS[key][0]
  if isinstance(default, tuple) and isinstance(value, tuple | list):
    return _tuples(value)
  if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
    return float(value)
  if type(value) is not type(default):
    raise UserError(
      f"{where}: config.{key}={value!r} is not {WORDS[type(default)]}, such as "
      f"{TUPLES.get(key, repr(default))}"
    )
  return value


def _tuples(value: Any) -> Any:
  return tuple(_tuples(v) for v in value) if isinstance(value, tuple | list) else value


def _read(key: str, text: str) -> Any:
  if key not in DEFAULTS or isinstance(DEFAULTS[key][0], str):
    return text
  if text in ("true", "false"):
    return text == "true"
  try:
    return ast.literal_eval(text)
  except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
    return text
