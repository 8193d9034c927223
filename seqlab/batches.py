"""The batches of a config: what rows its objective reads, what they look like, and their loader."""

import inspect

import jax
from ml_collections import ConfigDict

from seqlab.data.array_sources import gives_arrays
from seqlab.data.learned import Learned
from seqlab.data.loader import Loader
from seqlab.data.rows import ROWS, Data, shapes_of
from seqlab.objectives import OBJECTIVES
from seqlab.spec import Call, parse_one


def called(config: ConfigDict, key: str) -> Call:
  """The call that a key holds."""
  value = config
  for part in key.split("."):
    value = value[part]
  return parse_one(value, f"config.{key}")


def arguments_of(config: ConfigDict) -> dict:
  """The arguments of the objective's call, with the defaults of those that it leaves out."""
  call = called(config, "objective")
  made = OBJECTIVES.get(call.name)
  asked = inspect.signature(made).parameters if made else {}
  return {name: call.kwargs.get(name, asked[name].default) for name in asked}


def added_ids(config: ConfigDict) -> int:
  """How many ids the objective has beside the tokenizer's."""
  return arguments_of(config).get("sentinels", 0)


def rows_of(config: ConfigDict) -> str:
  """The call of the rows that the objective reads: they get those of its arguments that they have
  too, and pairs the layout that the network wants.
  """
  if gives_arrays(config.data.source):
    return "arrays"
  name = OBJECTIVES[called(config, "objective").name].rows or config.data.rows
  arguments = arguments_of(config)
  if arguments.get("words"):
    return str(Call("whole_words", {"rows": name}))
  taken = inspect.signature(ROWS[name]).parameters
  given = {name: value for name, value in arguments.items() if name in taken}
  given.pop("pad", None)  # of the tokenizer, to both
  network = called(config, "model.name")
  if "layout" in taken and network.name == "prefix_decoder":
    given["layout"] = "joined"
  elif "layout" in taken and network.kwargs.get("attention") == "none":
    given["layout"] = "alone"
  return str(Call(name, given)) if given else name


def example(config: ConfigDict, learned: Learned, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
  """A batch of the objective's rows, as shapes."""
  if learned.shapes:
    shapes = {**learned.shapes, "weight_B": ()}
    floats = [name for name in shapes if name != "label_B"]
  else:
    shapes = shapes_of(rows_of(config), config.length)
    floats = [name for name in shapes if name.startswith("weight")]
  return {
    name: jax.ShapeDtypeStruct((rows, *shape), "float32" if name in floats else "int32")
    for name, shape in shapes.items()
  }


def make_loader(
  config: ConfigDict, data: Data, split: str = "train", train: bool = True, batch: int = 0
) -> Loader:
  """Batches of a split for this process; in evaluation every label comes once.

  batch: rows at once, 0 for the config's; with carried state always the config's, since a row is
    then a lane that starts from nothing, and their number decides the result.
  """
  call = called(config, "objective")
  carry = call.kwargs.get("carry", False)
  batch = config.batch if carry or not batch else batch
  return Loader(
    data,
    split,
    length=config.length,
    batch=batch,
    seed=config.seed,
    rows=rows_of(config),
    order="lanes" if carry else "shuffled",
    train=train,
    process=jax.process_index(),
    processes=jax.process_count(),
  )
