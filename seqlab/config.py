"""Experiment configs: a Python file's `get_config()` laid over the defaults here, then
`--config.key=value`.

`DEFAULTS` is the one list of keys; a test keeps it short. What a part may say beyond a number is a
call written as text ("adamw(b2=0.99)", see `spec`): a new member brings its arguments, no new key.
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
from seqlab.spec import WORDS

# key: (default, what it is)
DEFAULTS: dict[str, tuple[Any, str]] = {
  "seed": (0, "of parameters, data order and dropout"),
  "steps": (1000, "optimizer steps"),
  "batch": (32, "sequences a step, over all devices"),
  "length": (256, "tokens a sequence"),
  "accumulate": (1, "microbatches a step is cut into"),
  "inner_steps": (1, "steps in one dispatch; the run is bitwise the same"),
  "lr": (1e-3, "peak learning rate"),
  "schedule": ("cosine(warmup=100)", "cosine, wsd, constant, inverse_sqrt, step or per_epoch"),
  "optimizer": ("adamw()", "adamw, sgd, lion, adadelta, adafactor or muon"),
  "decay": (0.1, "weight decay of matrices"),
  "decay_of": ("", "selector of what decays; '' for matrices"),
  "clip": (1.0, "global norm that gradients are clipped to; 0 for none"),
  "rates": ((), "((selector, factor), ...): learning rates by group of parameters"),
  "ema": (0.0, "decay of the average of parameters that is evaluated; 0 for none"),
  "nonfinite": ("stop", "at a loss or gradient that is not finite: stop or skip the step"),
  "objective": ("language_model()", "or masked_language_model, prefix_language_model, answers, "
    "sequence_to_sequence, span_corruption, tagging, classification, multi_label_classification, "
    "regression, variational, sequence_adversarial; of arrays also autoencoding, adversarial"),
  "model.name": ("decoder", "the network: decoder, encoder (reads both ways), encoder_decoder, "
    "prefix_decoder, text_cnn, dilated_cnn, text_vae, sequence_gan; of arrays mlp, cnn, "
    "autoencoder, vae, gan, with their sizes as arguments"),
  "model.width": (256, "of the residual stream"),
  "model.depth": (4, "blocks"),
  "model.mixer": ("attention(heads=4)", "sequence mixers, as README.md lists them; | repeats "
    "them as a pattern over depth"),
  "model.mlp": ("plain()", "channel mixer: plain, gated or none"),
  "model.norm": ("rms", "before mixer, mlp and head: rms, layer or none"),
  "model.residual": (True, "blocks add to what they read; false for plain layers on one another"),
  "model.learned_positions": (False, "a learned absolute position table of `length` rows"),
  "model.tied": (True, "the head over tokens is the embedding"),
  "model.pool": ("mean", "features a class is read from: mean, first or last"),
  "model.vocab": (0, "rows of the embedding; 0 for the tokenizer's ids"),
  "model.dropout": (0.0, "on embeddings and on both branches of a block"),
  "model.dtype": ("float32", "of activations: float32 or bfloat16; parameters stay float32"),
  "model.remat": ("none", "computed anew in the backward pass: none, dots (keep products), full"),
  "model.unroll": (0, "blocks compiled at once; 0 for all up to 12, else one in a loop"),
  "data.source": ("embedded()", "text, jsonl, csv, parquet, hub, embedded, parallel, labelled, "
    "conll, entities, additions, oracle, | mixes; arrays: idx, npz, digits, ring, grid; tasks"),
  "data.clean": ("", "steps of cleaning, such as lower() | words(); '' for none"),
  "data.tokenizer": ("bytes()", "bytes, characters, words, bpe, unigram, wordpiece or file"),
  "data.valid": ("hash(fraction=0.1)", "the validation split: hash, tail, or a source of its own"),
  "data.rows": ("windows", "windows over the text, or packed: rows of whole documents"),
  "data.store": ("", "folder of prepared data; '' for the user's cache"),
  "evaluate.every": (500, "steps between evaluations"),
  "evaluate.batches": (0, "batches of an evaluation while training; 0 for the whole set"),
  "checkpoint.every": (500, "steps between checkpoints; an evaluation makes one too"),
  "checkpoint.keep": (2, "newest checkpoints that stay"),
  "checkpoint.best": (1, "checkpoints that stay for the lowest validation loss"),
  "log.every": (10, "steps between lines of metrics"),
  "log.tensorboard": (True, "also write TensorBoard events"),
  "log.profile": (0, "step from which a jax.profiler trace of 3 dispatches is written; 0 for none"),
  "mesh.data": (-1, "devices along each mesh axis; -1 takes what is left"),
  "mesh.fsdp": (1, "devices that share out parameters, and the batch"),
  "mesh.tensor": (1, "devices that share out hidden units, heads and the vocabulary"),
  "mesh.sequence": (1, "devices that share out time"),
  "mesh.expert": (1, "devices that share out experts"),
  "axes": ((), "((letter, mesh axis), ...): changes to the table of axes"),
  "init.path": ("", "workdir of a run whose parameters this one starts from"),
  "init.keep": (".*", "selector of the parameters that are taken"),
  "init.freeze": ("", "selector of the parameters that do not move"),
  "init.adapt": ("", "how they are adapted: lora, layer_decay, gradual; | joins them"),
  "plugins": ((), "Python files that register mixers of their own"),
}  # fmt: skip

# What a tuple of each key looks like, for errors.
TUPLES = {"rates": "(('V', 0.1),)", "axes": "(('K', 'tensor'),)", "plugins": "('mine.py',)"}
REQUIRED = object()  # the value of a placeholder that is still to be filled

# What may differ between the two halves of a resumed run: where and how it runs, not what it
# computes.
FREE = (
  *("evaluate.", "checkpoint.", "log.", "mesh.", "axes", "inner_steps"),
  *("data.store", "model.unroll"),
)


def load(file: str, overrides: Iterable[str] = ()) -> ConfigDict:
  """The resolved config: defaults, then the file's `get_config()`, then overrides `key=value`.

  `file` may end in `:ARGUMENT`, which is handed to `get_config`; where the file lists `ARGUMENTS`,
  it is one of these. An empty `file` gives the defaults.

  Raises:
    UserError: no such file or argument, no get_config, an unknown key, or a value of another type.
  """
  values = {key: default for key, (default, _) in DEFAULTS.items()}
  if file:
    for key, value in flat(_get_config(file)):
      _set(values, key, value, file)
  for override in overrides:
    key, equals, text = override.partition("=")
    if not equals:
      raise UserError(f"--config.{key}: a value is missing; write --config.{key}=VALUE")
    _set(values, key, _read(key, text), "--config")
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
def _failing(what: str) -> Iterator[None]:
  try:
    yield
  except (Exception, SystemExit) as error:
    raise UserError(f"{what} fails with {type(error).__name__}: {error}") from None


def _get_config(file: str) -> Mapping:
  path, _, argument = file.partition(":")
  if not os.path.exists(path):
    raise UserError(f"--config={file}: no such file{_nearby(path)}")
  spec = importlib.util.spec_from_file_location("seqlab_config", path)
  if spec is None or spec.loader is None:
    raise UserError(f"--config={file}: a config is a Python file (.py) with get_config()")
  module = importlib.util.module_from_spec(spec)
  with _failing(f"--config={file}: the file"):
    spec.loader.exec_module(module)
  if not hasattr(module, "get_config"):
    raise UserError(f"--config={file}: the file has no get_config()")
  known = tuple(getattr(module, "ARGUMENTS", ()))
  if argument and known and argument not in known:
    raise UserError(
      f"--config={file}: {argument!r} is none of its arguments{nearest(argument, known)}; they are "
      f"{', '.join(known)}"
    )
  with _failing(f"--config={file}: get_config()"):
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
