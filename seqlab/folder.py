"""The folder of a run: whose it is, and what its card says.

config.json      the resolved config           metrics.jsonl   every number, the source of truth
card.md          the run in a page             tensorboard/    the same for TensorBoard
checkpoints/N    states after N steps          tokenizer/      what turns text to ids and back
curves.png       the numbers over the steps    pictures/       of the validation set
data.json        what else the model needs to know of its data: `seqlab.data.learned`
time.jsonl       what the time went into, and goodput.json its sum: `seqlab.goodput`
alerts.jsonl     what somebody should look at, if anything: `seqlab.alerts`
tracked          what services call the run, where it is told to some: `seqlab.trackers`
"""

import json
import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import alerts, card, goodput, metrics, processes, runtime
from seqlab import config as configs
from seqlab.data.learned import Known, save_learned
from seqlab.errors import UserError


def claim(workdir: str, config: ConfigDict) -> pathlib.Path:
  """Makes the run's folder, or checks that the run in it has this config. Where no step was ever
  begun (there are no metrics and no checkpoint), there is no run: a mistake does not hold the
  folder.

  Raises:
    UserError: the folder holds a run of another config (the keys that differ), or cannot be
      written.
  """
  folder = pathlib.Path(workdir)
  path = folder / "config.json"
  trained = any((folder / "checkpoints").glob("[0-9]*"))  # one that `seqlab merge` made has no more
  begun = path.is_file() and ((folder / metrics.FILE).is_file() or trained)
  if begun and (differs := configs.difference(configs.read(path), config)):
    raise UserError(
      f"--workdir={workdir} holds a run of another config ({'; '.join(differs[:5])}); "
      f"give another folder, or the config it began with"
    )
  try:
    folder.mkdir(parents=True, exist_ok=True)
    if processes.first():
      configs.save(config, path)
  except OSError as error:
    raise UserError(f"--workdir={workdir}: cannot be written ({error.strerror})") from None
  return folder


def write_card(
  folder: pathlib.Path,
  config: ConfigDict,
  data: Known,
  mesh: Mesh,
  numbers: Mapping[str, Any],
  results: Mapping[str, float] | None = None,
) -> None:
  """Writes the run's card, its tokenizer, data.json and goodput.json; `numbers` are of the model,
  `results` those of the validation set. Of several processes the first one does.
  """
  if not processes.first():
    return
  save_learned(data, folder)
  if spent := goodput.summary(folder):
    (folder / goodput.SUMMARY).write_text(json.dumps(spent, indent=1) + "\n")
  sections = {
    "Command": f"`{shlex.join(['seqlab', *sys.argv[1:]])}`",
    "Alerts": [alert["text"] for alert in alerts.read(folder)] or None,
    "Results": dict(results) if results else None,
    "Time": goodput.told(spent) if spent else None,
    "Model": dict(numbers),
    "Data": data.about(),
    "Machine": {
      **runtime.describe(),
      "mesh": {a: n for a, n in mesh.shape.items() if n > 1} or "one device",
    },
    "Config": dict(configs.flat(config)),
  }
  card.write(folder, sections)


def describe(
  config: ConfigDict,
  data: Known,
  mesh: Mesh,
  numbers: Mapping[str, Any],
  steps_per_epoch: int,
  stack: bool,
) -> str:
  """What is about to run, in two lines; `numbers` are of the model, a `stack` of mixers or not."""
  where = " x ".join(f"{axis}={n}" for axis, n in mesh.shape.items() if n > 1) or "one device"
  model = config.model
  of = f"{model.mixer}, width {model.width}, depth {model.depth}"
  network = ", ".join([model.name] * (model.name != "decoder" or not stack) + [of] * stack)
  learned = f", {numbers['learned']:,} of them learned," if "learned" in numbers else ""
  return (
    f"model: {network}, {numbers['parameters']:,} parameters{learned} on {where}\n"
    f"data: {data}, {steps_per_epoch:,} steps an epoch"
  )
