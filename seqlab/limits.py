"""What the values of a config may be: choices, ranges and the shapes of its tuples.

A number that no part could use is refused before any data is read. Types are the business of
`config` for keys and of `spec` for the arguments of a call; these are the bounds inside a type.
"""

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seqlab import axes
from seqlab.adapt import Adaptations, mup
from seqlab.errors import UserError, nearest
from seqlab.keys import DEFAULTS
from seqlab.leaves import by_path
from seqlab.nn.stack import POLICIES
from seqlab.nn.stack import check_remat as check_remat
from seqlab.positions import check_positions, positions
from seqlab.spec import parse_one
from seqlab.trackers import SERVICES

CHOICES = {
  "model.norm": ("rms", "layer", "none"),
  "model.pool": ("mean", "first", "last"),
  "model.dtype": ("float32", "bfloat16"),
  "model.remat": ("none", *POLICIES),
  "data.rows": ("windows", "packed"),
  "checkpoint.metric": ("loss", "accuracy"),
  "nonfinite": ("stop", "skip"),
}

POSITIVE, NONNEGATIVE = "a positive number", "0 or more"
OPEN = "above 0 and below 1"
SHARE, BELOW_1, SEED = "from 0 to 1", "at least 0 and below 1", "from 0 to 4294967295"
RANGES: dict[str, Callable[[float], bool]] = {
  POSITIVE: lambda x: x > 0,
  NONNEGATIVE: lambda x: x >= 0,
  SHARE: lambda x: 0 <= x <= 1,
  BELOW_1: lambda x: 0 <= x < 1,
  OPEN: lambda x: 0 < x < 1,
  SEED: lambda x: 0 <= x < 2**32,
}

KEYS = {
  POSITIVE: (
    *("seeds", "steps", "batch", "length", "accumulate", "inner_steps", "lr"),
    *("model.width", "model.depth", "checkpoint.keep", "log.every"),
  ),
  NONNEGATIVE: (
    *("decay", "clip", "model.vocab", "model.unroll", "model.parameters", "evaluate.every"),
    *("evaluate.batches", "checkpoint.every", "checkpoint.best", "log.profile"),
  ),
  BELOW_1: ("ema", "model.dropout"),
  SEED: ("seed",),
}

# What a network of arrays, whose sizes are arguments of its call, does not read.
OF_TEXT = ("length", "model.", "data.clean", "data.tokenizer", "data.rows", "data.store")

# What a synthetic task reads of `config.data`.
OF_TASKS = ("data.source", "data.valid")

# Arguments of the members that a key may name. Mixers and channel mixers have a `check` of their
# own, sources look at theirs when they are built.
ARGUMENTS: dict[str, dict[str, tuple[str, ...]]] = {
  "schedule": {
    POSITIVE: ("every", "factor"), NONNEGATIVE: ("warmup", "final", "start"), SHARE: ("decay",)
  },
  "optimizer": {
    POSITIVE: ("eps", "iterations"), BELOW_1: ("b1", "b2", "beta", "momentum", "rho"),
    SHARE: ("decay_rate",),
  },
  "objective": {
    POSITIVE: ("critic", "packing", "rollouts", "span", "sentinels"), NONNEGATIVE: (
      "z_loss", "memory", "gumbel", "beta", "warmup", "free_bits", "importance", "noise", "penalty",
    ),
    BELOW_1: ("label_smoothing",), OPEN: ("rate",), SHARE: ("teacher_forcing", "word_dropout"),
  },
  "init.adapt": {POSITIVE: ("rank", "alpha", "factor", "every", "base")},
}  # fmt: skip


def check(config: Mapping[str, Any]) -> None:
  """Refuses a choice, a number or a tuple of the config that no part could use.

  Raises:
    UserError: the key, its value and what is wanted.
  """
  for key, choices in CHOICES.items():
    value = _at(config, key)
    if value not in choices:
      raise UserError(
        f"config.{key}={value!r}{nearest(value, choices)}: choose from {', '.join(choices)}"
      )
  for words, keys in KEYS.items():
    for key in keys:
      if not _within(_at(config, key), words):
        raise UserError(f"config.{key}={_at(config, key)}: {words} is wanted")
  if not _within(config["seed"] + config["seeds"] - 1, SEED):
    raise UserError(f"config.seeds={config['seeds']}: seeds from {config['seed']} on are {SEED}")
  for lr in config["lrs"]:
    if type(lr) not in (int, float) or not _within(lr, POSITIVE):
      raise UserError(f"config.lrs: {lr!r} is not {POSITIVE}, such as 0.001")
    if config["lrs"].count(lr) > 1:
      raise UserError(f"config.lrs={config['lrs']}: {lr} comes twice")
  for name in config["log"]["to"]:
    if name not in SERVICES:
      raise UserError(
        f"config.log.to={config['log']['to']!r}: {name!r} is no service{nearest(name, SERVICES)}; "
        f"choose from {', '.join(SERVICES)}"
      )
  try:
    shlex.split(config["log"]["alert"])
  except ValueError as error:
    raise UserError(
      f"config.log.alert={config['log']['alert']!r} is no command: {str(error).lower()}"
    ) from None
  for pair in _pairs(config, "rates", "(selector, factor)", "('V', 0.1)"):
    selector, factor = pair
    if not isinstance(selector, str) or type(factor) not in (int, float):
      raise UserError(f"config.rates: {pair!r} is not (selector, factor), such as ('V', 0.1)")
    if not _within(factor, NONNEGATIVE):
      raise UserError(f"config.rates: the factor of {pair!r} is to be {NONNEGATIVE}")
  most, why = positions(config)
  if config["length"] > most:
    raise UserError(f"config.length={config['length']}: {why}; a larger rope_scale goes further")
  axes_of(config)


def check_unread(
  config: Mapping[str, Any], network: str, reads: Iterable[str], arrays: bool
) -> None:
  """Refuses a key that was set and that a network of arrays or of text would not read; `reads` are
  those of `config.model` that it does.
  """
  read = {"model.name", *(f"model.{name}" for name in reads)}
  for key, (default, _) in DEFAULTS.items():
    other = key.startswith(OF_TEXT if arrays else "model.") and key not in read
    if other and _at(config, key) != default:
      raise UserError(
        f"config.{key}={_at(config, key)!r}: {network}() has no use for it; leave it out"
      )


def check_of_a_task(config: Mapping[str, Any], columns: int) -> None:
  """Refuses a key of texts beside a synthetic task, and rows of validation examples, of so many
  `columns`, that are longer than the positions that are learned.
  """
  for key, (default, _) in DEFAULTS.items():
    if key.startswith("data.") and key not in OF_TASKS and _at(config, key) != default:
      raise UserError(
        f"config.{key}={_at(config, key)!r}: config.data.source={_at(config, 'data.source')!r} is "
        f"a task, which has no use for it; leave it out"
      )
  check_positions(config, "config.data.valid", _at(config, "data.valid"), columns)


def check_selectors(config: Mapping[str, Any], params: Any) -> None:
  """Refuses a selector that picks no parameter, and a freeze that leaves none to move."""
  names, freeze = list(by_path(params)), _at(config, "init.freeze")
  selectors = {"decay_of": config["decay_of"], "init.freeze": freeze}
  for i, (selector, _) in enumerate(config["rates"]):
    selectors[f"rates[{i}]"] = selector
  for key, selector in selectors.items():
    if selector and not any(axes.selects(selector, name) for name in names):
      raise UserError(f"config.{key}={selector!r} picks no parameter; there is {names[0]}, ...")
  if freeze and all(axes.selects(freeze, name) for name in names):
    raise UserError(f"config.init.freeze={freeze!r} picks all parameters: none moves")


def check_adaptations(
  config: Mapping[str, Any], adapt: Adaptations, stack: bool, game: bool
) -> None:
  """Refuses adaptations out of range, adapters without a base or in a `game` of two networks, and
  layers or widths where there is no `stack` of them.
  """
  key = f"config.init.adapt={_at(config, 'init.adapt')!r}"
  for name, member in vars(adapt).items():
    check_arguments("init.adapt", name, vars(member) if member else {})
  if adapt.lora and game:
    raise UserError(
      f"{key}: adapters stand beside one model, and config.model.name="
      f"{_at(config, 'model.name')!r} is two"
    )
  if adapt.lora and not _at(config, "init.path"):
    raise UserError(f"{key}: lora() adapts a trained run; name it in config.init.path")
  if (adapt.layer_decay or adapt.gradual) and not stack:
    raise UserError(
      f"{key}: config.model.name={_at(config, 'model.name')!r} is no stack of layers to go through"
    )
  if adapt.mup and (game or not stack):
    raise UserError(f"{key}: mup() scales one stack of layers, none is in config.model.name")
  if adapt.mup and parse_one(_at(config, "model.name")).kwargs.get("std"):
    raise UserError(
      f"{key}: mup() draws matrices by their fan-in, and config.model.name="
      f"{_at(config, 'model.name')!r} does not; take one of them"
    )
  if adapt.mup and adapt.lora:
    raise UserError(f"{key}: mup() scales what lora() leaves as it is; take one of them")
  if adapt.mup and parse_one(config["optimizer"]).name not in mup.OPTIMIZERS:
    raise UserError(
      f"config.optimizer={config['optimizer']!r}: the learning rates of mup() are those of "
      f"{' and '.join(mup.OPTIMIZERS)}"
    )


def check_arguments(key: str, name: str, arguments: Mapping[str, Any]) -> None:
  """Refuses an argument out of range in the call that `config.{key}` names."""
  for words, names in ARGUMENTS.get(key, {}).items():
    for argument in names:
      if argument in arguments and not _within(arguments[argument], words):
        raise UserError(
          f"config.{key}: {argument}={arguments[argument]} of {name}(): {words} is wanted"
        )
  if arguments.get("separator") == "":
    raise UserError(f"config.{key}: separator='' of {name}(): one character or more is wanted")


def axes_of(config: Mapping[str, Any]) -> dict[str, Any]:
  """The changes to the table of axes that the config asks for, {letter: mesh axis or axes}."""
  changes = {}
  for letter, where in _pairs(config, "axes", "(letter, mesh axis)", "('K', 'tensor')"):
    names = where if isinstance(where, tuple) else (where,)
    one = isinstance(letter, str) and len(letter) == 1 and letter in axes.ALPHABET
    if not one or not all(name in ("", *axes.MESH_AXES) for name in names):
      raise UserError(
        f"config.axes: {letter!r} to {where!r}; letters, one for each pair, are {axes.ALPHABET}, "
        f"mesh axes {', '.join(axes.MESH_AXES)}"
      )
    changes[letter] = where
  return changes


def _at(config: Mapping[str, Any], key: str) -> Any:
  value: Any = config
  for part in key.split("."):
    value = value[part]
  return value


def _within(value: float, words: str) -> bool:
  return -math.inf < value < math.inf and RANGES[words](value)


def _pairs(config: Mapping[str, Any], key: str, of: str, example: str) -> tuple[tuple, ...]:
  """The value of a key that holds pairs; a single pair without its comma gets a hint."""
  value = config[key]
  if all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
    return value
  alone = len(value) == 2 and not any(isinstance(part, tuple) for part in value)
  hint = f"; a comma is missing: ({value!r},)" if alone else ""
  raise UserError(f"config.{key}={value!r}: ({of}, ...) is wanted, such as ({example},){hint}")
