"""A run that was trained, opened again from its folder alone: what `evaluate` and `sample` start
from.
"""

import dataclasses
import pathlib
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, build, pretrained
from seqlab import config as configs
from seqlab.data.corpus import Corpus
from seqlab.errors import UserError
from seqlab.objectives.base import Objective
from seqlab.prepare import prepare


@dataclasses.dataclass(frozen=True)
class Trained:
  """`params` is {player: tree} on `mesh`, the average of parameters where the run kept one."""

  config: ConfigDict
  corpus: Corpus
  objective: Objective
  params: dict[str, Any]
  step: int
  mesh: Mesh


def read_config(workdir: str) -> ConfigDict:
  """The resolved config of a run.

  Raises:
    UserError: the folder holds no run.
  """
  path = pathlib.Path(workdir) / "config.json"
  if not path.is_file():
    raise UserError(
      f"--workdir={workdir}: no run here (there is no config.json); give a folder that "
      f"`seqlab train` made"
    )
  return configs.read(path)


def source_of(config: ConfigDict) -> str:
  """Where a run's state keeps the parameters to use: their average where it has one."""
  return "extra/ema" if config.ema else "params"


def best_or_latest(workdir: str) -> str:
  """ "best" where a validation loss was recorded with a checkpoint, else "latest"."""
  return "best" if pretrained.has_best(workdir) else "latest"


def open_run(workdir: str, which: str = "best") -> Trained:
  """Config, data and parameters of a run, at a step, its latest or its best.

  Raises:
    UserError: no run, no checkpoint, or one that does not fit its config.
  """
  config = read_config(workdir)
  mesh = axes.make_mesh({"data": -1})
  data = config.data
  corpus = prepare(data.source, data.tokenizer, data.valid, data.store, tell=lambda line: None)
  objective = build.make_objective(config, corpus)
  with axes.use_mesh(mesh, build.table(config)):
    example = build.make_loader(config, corpus, batch=mesh.size)(0)
    shapes = jax.eval_shape(lambda: objective.init(jax.random.key(0), example))
    shapes = jax.tree.map(
      lambda s, where: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=where),
      shapes,
      axes.sharding(shapes, mesh),
    )
    which = best_or_latest(workdir) if which == "best" else which
    params, step, _ = pretrained.restore_params(workdir, shapes, which, source_of(config))
  return Trained(config, corpus, objective, params, step, mesh)
