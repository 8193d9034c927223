"""The trials of a config's sweep: each built and checked before any is started, and addressed."""

from collections.abc import Sequence

import jax
from ml_collections import ConfigDict

from seqlab import build, plugins, pretrained, runtime, trackers
from seqlab import config as configs
from seqlab.bases import best_or_latest, read_config
from seqlab.data.learned import Known, learned_from
from seqlab.errors import UserError
from seqlab.prepare import data_of
from seqlab.sizing import sized
from seqlab.sweeps import trials
from seqlab.sweeps.declared import Changes, declared
from seqlab.sweeps.trials import HOW, address

Made = list[tuple[str, Changes, ConfigDict]]


def made(file: str, overrides: Sequence[str]) -> Made:
  """The trials of a file's sweep, as `checked` has them; `overrides` are of all of them.

  Raises:
    UserError: the first trial that could not be trained, and why.
  """
  return checked(file, overrides, declared(file))


def checked(file: str, overrides: Sequence[str], changes: Sequence[Changes]) -> Made:
  """(id, what it changes, config) of each trial that changes a file's config so. Data is prepared
  here, once for all that read it; of trials that are the same one stays.

  Raises:
    UserError: the first trial that could not be trained, and why.
  """
  resolve = Resolver(file, overrides)
  found: dict[str, tuple[str, Changes, ConfigDict]] = {}
  for number, changed in enumerate(changes):
    try:
      id, config = resolve(changed)
    except UserError as error:
      where = f"trial {number + 1} of {len(changes)} ({trials.named(changed)})"
      raise UserError(f"{where}: {error}") from None
    found.setdefault(id, (id, changed, config))
  if same := len(changes) - len(found):
    keys = sorted({key for changed in changes for key in changed if key.startswith(HOW)})
    why = f" ({', '.join(keys)} says how a run runs, not what it computes)" if keys else ""
    print(f"{same} of {len(changes)} trials are the same as others{why}")
  return list(found.values())


def leave_devices() -> None:
  """Has this process compute on the CPU, before it computes anything: devices are for trials."""
  runtime.configure()
  jax.config.update("jax_platforms", "cpu")


class Resolver:
  """Makes trials of a config file: checks that each can be trained, and addresses it."""

  def __init__(self, file: str, overrides: Sequence[str] = ()):
    leave_devices()
    self._file, self._overrides = file, overrides
    self._known: dict[tuple, Known] = {}  # data, by what of a config says it

  def __call__(self, changes: Changes) -> tuple[str, ConfigDict]:
    """(id, config) of the trial that changes the config so.

    Raises:
      UserError: it could not be trained, and why.
    """
    config = configs.load(self._file, self._overrides, changes)
    return self._address(config), config

  def _address(self, config: ConfigDict) -> str:
    plugins.load(config.plugins)
    config = sized(config)
    build.check(config)
    trackers.check(config.log.to)
    reads = *config.data.to_dict().values(), config.length, config.objective
    if reads not in self._known:
      self._known[reads] = data_of(config)
    data = self._known[reads]
    learned = learned_from(data)
    objective = build.make_objective(config, learned)
    example = build.example(config, learned, 1)
    jax.eval_shape(lambda batch: objective.init(jax.random.key(0), batch), example)
    base = fingerprint_of(config.init.path) if config.init.path else ""
    return address(config, data.fingerprint + base)


def fingerprint_of(path: str) -> str:
  """Says which checkpoint a run would start from."""
  read_config(path)  # for its error
  step, metadata = pretrained.read_metadata(path, best_or_latest(path))
  return f"{step} of {metadata}"
