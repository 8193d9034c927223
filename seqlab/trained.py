"""A run that was trained, opened again from its folder alone: what `evaluate` and `sample` start
from. Its data is read where numbers about it are wanted, and then it must be what the run saw.
"""

import dataclasses
import pathlib
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from seqlab import axes, build, pretrained
from seqlab.adapt import adaptations
from seqlab.adapt.lora import BASE
from seqlab.bases import best_or_latest, read_config, source_of, with_base
from seqlab.data.array_sources import gives_arrays, read_whole
from seqlab.data.cleaning.pipeline import Pipeline, build_pipeline
from seqlab.data.documents import Document
from seqlab.data.learned import TOKENIZER, Known, Learned, learned_from, load_learned
from seqlab.data.synthetic import gives_tasks, read_examples
from seqlab.data.tokenizers import Tokenizer
from seqlab.errors import UserError
from seqlab.objectives.base import Objective
from seqlab.objectives.classification import Classification
from seqlab.objectives.tagging import Tagging
from seqlab.positions import check_positions
from seqlab.prepare import data_of, documents, fingerprint, prepare, split_names


@dataclasses.dataclass(frozen=True)
class Trained:
  """`params` is {player: tree} on `mesh`: the average of parameters where the run kept one, and
  adapters merged into their base.
  """

  folder: pathlib.Path
  config: ConfigDict
  learned: Learned
  objective: Objective
  params: dict[str, Any]
  step: int
  mesh: Mesh

  @property
  def writer(self) -> dict:
    """The parameters of what writes: the last player, where there are several; whole on one device,
    as a few rows have nothing to share out.
    """
    return jax.device_put(self.params[self.objective.players[-1]], jax.devices()[0])


def open_run(workdir: str, which: str = "best") -> Trained:
  """Config, vocabulary and parameters of a run, at a step, its latest or its best. A run from
  before there was data.json prepares its data for its vocabulary.

  Raises:
    UserError: no run, no checkpoint, or one that does not fit its config.
  """
  config = read_config(workdir)
  mesh = axes.make_mesh({"data": -1})
  folder = pathlib.Path(workdir)
  learned = load_learned(folder) or learned_from(_data(config))
  objective = build.make_objective(config, learned)
  with axes.use_mesh(mesh, build.table(config)):
    batch = build.example(config, learned, mesh.size)
    learning, base = with_base(objective, config, batch, folder, mesh)
    shapes = jax.eval_shape(lambda batch: learning.init(jax.random.key(0), batch), batch)
    which = best_or_latest(workdir) if which == "best" else which
    params, step, _ = pretrained.restore_params(
      workdir, axes.laid(shapes, mesh), which, source_of(config)
    )
    if lora := adaptations(config.init.adapt).lora:
      params = {"model": jax.jit(lora.merge)(base[BASE], params["model"])}
  return Trained(folder, config, learned, objective, params, step, mesh)


def own_data(run: Trained, split: str) -> Known:
  """The data of the run's config, of which `split` is wanted, under the tokenizer of the run.

  Raises:
    UserError: as `check_own_data`.
  """
  check_own_data(run, split)
  return _data(run.config, run.learned.text)


def check_own_data(run: Trained, split: str) -> None:
  """Refuses to go on where the data of the config is not what the run was trained on: other texts
  would be held out, and some of the training's among them; or where it has no such split.
  """
  data = run.config.data
  task = gives_tasks(data.source)
  made = bool(run.learned.shapes) or task
  names = ("train", "valid") if made else split_names(data.valid)
  if split not in names:
    advice = "a run with hash(fraction=0.1, test=0.1) has a test split"
    if made:
      advice = "give other examples as --data=SOURCE"
    raise UserError(
      f"--split={split}: config.data.valid={data.valid!r} of this run makes {' and '.join(names)}; "
      f"{advice}"
    )
  given = data.source, data.tokenizer, data.valid, data.clean
  found = _data(run.config).fingerprint if task else fingerprint(*given)
  if found != run.learned.fingerprint:
    raise UserError(
      f"{run.folder}: config.data.source={data.source!r} is no longer what this run was trained "
      f"on; bring those files back, or give the text to score as --data=SOURCE"
    )


def other_data(run: Trained, source: str, labelled: bool = True) -> Known:
  """The whole of another source as the split "train", under the tokenizer and with the class
  numbers of the run. Its texts are cleaned as the run's were, and none is filtered out. Arrays may
  come without labels where they need not be `labelled`.

  Raises:
    UserError: it is not of the kind that the run was trained on.
  """
  _check_kind(run, source)
  if run.learned.shapes:
    shapes = run.learned.shapes
    return read_whole(source, "--data", shapes, run.learned.labels, labelled)
  if gives_tasks(source):
    task = read_examples(source, "--data", run.learned.tokenizer, run.config.length)
    check_positions(run.config, "--data", source, task.columns)
    return task
  numbered = isinstance(run.objective, Classification | Tagging)
  found = prepare(
    source,
    f"file(path={str(run.folder / TOKENIZER)!r})",
    "hash(fraction=0)",
    run.config.data.store,
    labels=run.learned.labels if numbered else (),
    clean=cleaning(run).text_spec,
    key="--data",
  )
  if run.objective.rows == "examples" and found.pairs != run.learned.pairs:
    has, read = ("pairs of texts", "texts alone")[:: 1 if found.pairs else -1]
    raise UserError(f"--data={source}: it has {has}; this run reads {read}")
  return found


def documents_of(run: Trained, split: str, data: str) -> list[Document]:
  """The documents of a split of the run's data, or of the whole of another source, as cleaned as
  the run's were.

  Raises:
    UserError: as `check_own_data`, or there is none.
  """
  of = run.config.data
  if data:
    _check_kind(run, data)
    clean = cleaning(run).text_spec
    found = list(documents(data, "hash(fraction=0)", "train", clean, "--data"))
  else:
    check_own_data(run, split)
    found = list(documents(of.source, of.valid, split, of.clean))
  if not found:
    raise UserError(
      f"--data={data!r}: no text in it" if data else f"config.data.valid={of.valid!r}: leaves none"
    )
  return found


def _check_kind(run: Trained, source: str) -> None:
  """Refuses what is not of the run's kind: texts, arrays or a task."""
  arrays, task = gives_arrays(source, "--data"), gives_tasks(source, "--data")
  if (arrays, task) != (bool(run.learned.shapes), gives_tasks(run.config.data.source)):
    raise UserError(f"--data={source}: the run was trained on {run.config.data.source}")


def cleaning(run: Trained) -> Pipeline:
  """What is done to texts before the run's tokenizer reads them."""
  return build_pipeline(run.config.data.clean)


def _data(config: ConfigDict, learned: Tokenizer | None = None) -> Known:
  return data_of(config, tell=lambda line: None, learned=learned)
