"""The trials of a sweep in TensorBoard's HParams tab, `tensorboard --logdir WORKDIR`.

A trial's runs are written when it ends, and by `seqlab sweep report` all that have ended, which
changes nothing where it was done before.
"""

from collections.abc import Collection, Iterable

from seqlab.events import write_hparams
from seqlab.sweeps import files
from seqlab.sweeps.states import OVER, outcomes, progress
from seqlab.sweeps.trials import Trial


def write(ended: Iterable[Trial], known: Collection[Trial]) -> None:
  """Writes those of `ended` that are at rest and whose runs have events. known: all trials of
  their sweep; each is shown by what any of them changes, so that columns have no holes.
  """
  keys = list(dict.fromkeys(key for one in known for run in one.runs() for key in run.changes))
  for trial in ended:
    config = files.read(trial.config)
    if progress(trial).state not in OVER or not config["log.tensorboard"]:
      continue
    for one in outcomes(trial):
      if not (one.run.folder / "tensorboard").is_dir():
        continue
      changed = {key: one.run.changes.get(key, config[key]) for key in keys}
      measured = {name: x for name, x in one.numbers.items() if x is not None}
      write_hparams(one.run.folder / "tensorboard", changed, measured, one.state == "diverged")
