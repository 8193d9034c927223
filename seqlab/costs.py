"""`seqlab flops`: parameters, FLOPs a token and state bytes of a config's model, mixer by mixer, or
of every mixer that there is.

Everything is read off the program: FLOPs from its jaxpr, parameters and state from their shapes.
Nothing is run; text is read only where the vocabulary is learned from it, or classes are.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from seqlab import build, flops, networks
from seqlab.data.learned import Learned, learned_from
from seqlab.data.synthetic import gives_tasks, read_tasks
from seqlab.errors import UserError
from seqlab.heads import WANTED
from seqlab.leaves import nbytes
from seqlab.models.network import Network
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.ops.backend import reference_forms
from seqlab.prepare import data_of, prepare
from seqlab.sizing import STACKS, inputs_of, sized, without_tables
from seqlab.spec import make, parse, parse_one


def mixer_costs(
  mixer: Mixer, width: int, length: int, dtype: str = "float32", state: bool = True
) -> dict[str, float]:
  """Costs of one mixer on one sequence of `length` tokens.

  Returns parameters; forward FLOPs a token in products and element-wise, when the whole sequence is
  there; the same of one more token after it; and the bytes of state that one sequence holds then.
  Without `state` (an encoder's mixer has none) the first three alone.
  """
  x_BTD = jax.ShapeDtypeStruct((1, length, width), jnp.dtype(dtype))
  pos_BT = jax.ShapeDtypeStruct((1, length), jnp.int32)
  with reference_forms():
    params = jax.eval_shape(lambda: mixer.init(jax.random.key(0), *_zeros(x_BTD, pos_BT)))
    whole = flops.count(lambda p, x, pos: mixer.apply(p, x, pos), params, x_BTD, pos_BT)
    costs = dict(
      parameters=_size(params),
      products=whole.products / length,
      elementwise=whole.elementwise / length,
    )
    if not state:
      return costs
    before = jax.eval_shape(lambda: mixer.init_state(1, width, length + 1, jnp.dtype(dtype)))
    one = (_first(x_BTD), _first(pos_BT), before)
    decode = flops.count(lambda p, *inputs: mixer.apply(p, *inputs), params, *one)
  state_bytes = nbytes(before)
  return costs | dict(decode=decode.products + decode.elementwise, state_bytes=state_bytes)


def model_costs(config: ConfigDict, vocab: int, learned: Learned | None = None) -> dict[str, float]:
  """Parameters of the whole network, those without the embedding, and its training FLOPs a token.
  learned: of the data, for a head over its classes.

  Training is counted as three forward passes, a backward pass having two products for each. Scores
  are made where something is told: at every place, at a task's answers, or by that head.
  """
  forward, init, inputs = _of_classes(config, learned) if learned else _of_tokens(config, vocab)
  with reference_forms():
    params = jax.eval_shape(init, jax.random.key(0), *inputs)
    counted = flops.count(forward, params, *inputs)
  return dict(
    parameters=_size(params),
    without_tables=without_tables(params),
    forward=counted.products / config.length,
    train=3 * counted.products / config.length,
  )


def _of_tokens(config: ConfigDict, vocab: int) -> tuple[Callable, Callable, tuple]:
  """(a forward pass of parameters and inputs, what makes the parameters, the inputs) of a network
  that scores the vocabulary.
  """
  network = networks.make_network(config, networks.Ends(vocab))
  assert isinstance(network, Network)
  places = config.length
  if gives_tasks(config.data.source):
    task = read_tasks(config.data.source, config.data.valid, config.length).task
    places = task.answers(task.length)

  def forward(params: Any, *inputs: Any) -> jax.Array:
    x_BTD, _ = network(params, *inputs)
    return network(params, x_BTD[:, :places], method="logits")

  return forward, network.init, inputs_of(config, config.length)


def _of_classes(config: ConfigDict, learned: Learned) -> tuple[Callable, Callable, tuple]:
  """The same of one that tells classes, numbers or tags, up to its loss."""
  objective = build.make_objective(config, learned)

  def forward(params: Any, batch: Any) -> jax.Array:
    return objective.loss("model", params, batch, None, {})[0]

  return forward, objective.init, (build.example(config, learned, 1),)


def run(config: ConfigDict, all: bool = False) -> None:
  """Prints a line for each mixer of the pattern and the sums of the model; with `all` a line for
  each mixer of the registry, plugins among them, at the config's width and dtype.
  """
  from seqlab.table import show

  config = sized(config)
  build.check(config)
  if all:
    every_mixer(config.model.width, config.model.dtype)
    return
  model, calls = config.model, parse(config.model.mixer, "config.model.mixer")
  network = build.called(config, "model.name")
  if network.name not in STACKS or network.name in networks.OF_ARRAYS:
    raise UserError(
      f"config.model.name={model.name!r}: this counts stacks of mixers on tokens; the card "
      f"of a run has the FLOPs of a step of any network"
    )
  learned = None
  if build.called(config, "objective").name in WANTED:
    learned = learned_from(data_of(config, tell=lambda line: None))
  vocab = model.vocab or (0 if learned else _vocabulary(config) + build.added_ids(config))
  handed = network.kwargs.get("attention") == "none"  # the encoder is of the decoder's kind
  rows = []
  for number, call in enumerate(calls):
    mixer = make(call, MIXERS, "config.model.mixer")
    blocks = len(range(number, model.depth, len(calls))) * (2 if handed else 1)
    if network.name in ("encoder", "encoder_decoder") and not handed:
      of = both_ways(mixer), model.width, config.length, model.dtype
      costs = mixer_costs(*of, state=False)
      row = (f"{value:,.0f}" for value in costs.values())
      rows.append((f"{call}, both ways", str(blocks), *row, "–", "–"))
    if network.name != "encoder":
      costs = mixer_costs(mixer, model.width, config.length, model.dtype)
      row = (f"{value:,.0f}" for value in costs.values())
      rows.append((str(call), str(blocks), *row))
  columns = (
    "mixer",
    "blocks",
    "parameters",
    "FLOPs/token",
    "element-wise",
    "decode FLOPs",
    "state bytes",
  )
  show(f"one mixer at width {model.width} and length {config.length}", columns, rows)
  sums = [
    (LABELS[name], f"{value:,.0f}") for name, value in model_costs(config, vocab, learned).items()
  ]
  show("the whole model", ("", "count"), sums)
  print(
    "FLOPs are of matrix products, two a multiply-add, exact from the jaxpr; scores that a mask "
    "hides count.\nElement-wise operations are counted apart; decode FLOPs are both, for one token "
    "after `length` others."
  )


LENGTHS = (256, 1024, 4096, 16384)


def every_mixer(width: int, dtype: str) -> None:
  """Prints what each mixer costs at `LENGTHS`. FLOPs a byte are those of decoding one sequence: the
  bytes are parameters and state, both read for every token.
  """
  from rich.progress import track

  from seqlab.table import show

  rows = []
  for name in track(MIXERS, "counting", transient=True):
    spec = f"{name}()"
    mixer = make(parse_one(spec), MIXERS)
    try:
      mixer.check(width)
    except UserError as error:
      raise UserError(f"config.model.width={width}: {spec}: {error}") from None
    costs = [mixer_costs(mixer, width, length, dtype) for length in LENGTHS]
    last, wide = costs[-1], jnp.dtype(dtype).itemsize
    moved = last["parameters"] * wide + last["state_bytes"]
    each = (f"{cost['products']:,.0f}" for cost in costs)
    ends = last["decode"], last["state_bytes"]
    ratio = f"{last['decode'] / moved:.2f}"
    rows.append((spec, f"{last['parameters']:,}", *each, *(f"{x:,.0f}" for x in ends), ratio))
  columns = ("mixer", "parameters", *(f"at {length:,}" for length in LENGTHS), "decode", "state")
  show(f"every mixer at width {width}, {dtype}", (*columns, "FLOPs/byte"), rows)
  print(
    f"FLOPs a token of a whole sequence, in products (two a multiply-add, exact from the jaxpr); "
    f"decode: of one\ntoken after {LENGTHS[-1]:,} others, element-wise operations among them; "
    f"state: bytes of one sequence then;\nFLOPs/byte: of decoding one sequence, whose parameters "
    f"and state are read for each token."
  )


LABELS: Mapping[str, str] = dict(
  parameters="parameters",
  without_tables="  without embedding and position tables",
  forward="forward FLOPs a token",
  train="training FLOPs a token (3 x forward)",
)


def _vocabulary(config: ConfigDict) -> int:
  """The number of the tokenizer's ids; preparing the data tells it where they are learned."""
  from seqlab.data.vocabulary import plan_tokenizer

  data = config.data
  if gives_tasks(data.source):
    return read_tasks(data.source, data.valid, config.length).vocab
  plan = plan_tokenizer(data.tokenizer)
  if not plan.trained:
    return plan.make([]).vocab
  return prepare(
    data.source, data.tokenizer, data.valid, data.store, lambda line: None, clean=data.clean
  ).vocab


def _zeros(*shapes: jax.ShapeDtypeStruct) -> tuple[jax.Array, ...]:
  return tuple(jnp.zeros(s.shape, s.dtype) for s in shapes)


def _first(x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
  """One time step of an input of the whole sequence."""
  return jax.ShapeDtypeStruct((x.shape[0], 1, *x.shape[2:]), x.dtype)


def _size(tree: Any) -> int:
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
