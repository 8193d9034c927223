"""`seqlab merge`: of a run with adapters a plain one, whose parameters hold both the base and what
was learned beside it. Every command takes its folder, and so does `config.init.path`.
"""

import pathlib
import shlex
import shutil
import sys

from ml_collections import ConfigDict

from seqlab import card, keys
from seqlab import config as configs
from seqlab.adapt import adaptations
from seqlab.bases import read_config
from seqlab.checkpoint import Checkpoints
from seqlab.data.learned import FILE, TOKENIZER
from seqlab.errors import UserError
from seqlab.trained import open_run


def run(workdir: str, out: str, step: str) -> None:
  """Writes config, card, vocabulary and one checkpoint of parameters alone into `out`."""
  if not adaptations(read_config(workdir).init.adapt).lora:
    raise UserError(f"--workdir={workdir}: this run has no adapters (lora) to merge")
  folder = pathlib.Path(out)
  if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
    raise UserError(f"--out={out}: there is something; give a new folder")
  trained = open_run(workdir, step)
  config = plain(trained.config)
  try:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(trained.folder / FILE, folder / FILE)
    if trained.learned.text is not None:
      shutil.copytree(trained.folder / TOKENIZER, folder / TOKENIZER)
    configs.save(config, folder / "config.json")
    said = {"run": workdir, "step": trained.step, "base": trained.config.init.path}
    command = f"`{shlex.join(['seqlab', *sys.argv[1:]])}`"
    sections = {"Command": command, "Merged": said, "Config": dict(configs.flat(config))}
    card.write(folder, sections)
  except OSError as error:
    raise UserError(f"--out={out}: cannot be written ({error.strerror or error})") from None
  with Checkpoints(folder / "checkpoints") as checkpoints:
    metadata = {"config": dict(configs.flat(config)), "merged": said}
    checkpoints.save(trained.step, {"params": trained.params}, metadata=metadata)
  print(f"{workdir}, step {trained.step}, with its base: {out}")


def plain(config: ConfigDict) -> ConfigDict:
  """The config of the merged run: it starts from nothing else and keeps no average."""
  config = ConfigDict(config.to_dict())
  config.update(ema=0.0, init={key: keys.DEFAULTS[f"init.{key}"][0] for key in config.init})
  return config
