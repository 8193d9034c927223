"""The width of a network from the parameters that it is to have, so that architectures are compared
at equal size by changing one field.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from seqlab import limits, networks
from seqlab.errors import UserError
from seqlab.leaves import by_path, is_table
from seqlab.models.network import Network
from seqlab.spec import parse_one

# Networks that are stacks of mixers.
STACKS = ("decoder", "encoder", "encoder_decoder", "prefix_decoder", "compressor", "reader")
WIDEST = 2**16  # steps: where the search for a width ends
# Widths are multiples of one of these; heads and groups divide it.
STEPS = (4, 8, 16, 24, 32, 40, 48, 64, 80, 96, 128)


def sized(config: ConfigDict) -> ConfigDict:
  """The config with the width at which its network has nearest to `config.model.parameters`, or as
  it is where that is 0.

  Raises:
    UserError: the network is no stack of mixers, or no width comes within a quarter.
  """
  wanted = config.model.parameters
  if not wanted:
    return config
  limits.check(config)
  key = f"config.model.parameters={wanted}"
  check_stack(config, key)
  config = config.copy_and_resolve_references()
  config.model.width, found = width_for(config, wanted)
  if not 0.8 <= found / wanted <= 1.25:
    raise UserError(
      f"{key}: the nearest is {found:,.0f} at config.model.width={config.model.width}; another "
      f"config.model.depth than {config.model.depth} comes nearer"
    )
  return config


def check_stack(config: ConfigDict, key: str) -> None:
  """Refuses a network whose width is not in the config; errors say that `key` wants it."""
  name = parse_one(config.model.name, "config.model.name").name
  if name not in STACKS:
    raise UserError(
      f"{key}: config.model.name={name!r} is no stack of mixers ({', '.join(STACKS)}) whose width "
      f"could follow"
    )


def width_for(
  config: ConfigDict, wanted: float, measure: Callable[[ConfigDict], float] | None = None
) -> tuple[int, float]:
  """(the width at which `measure` of a config is nearest to what is wanted, what it is there): by
  default `size`; something that grows with the width.
  """
  measure = measure or size

  @functools.cache
  def at(width: int) -> float:
    tried = config.copy_and_resolve_references()
    tried.model.width = width
    return measure(tried)

  step = _step(at)
  low, high, sizes = 0, 1, {0: 0.0}
  sizes[high] = at(step * high)
  while sizes[high] < wanted:
    if high > WIDEST:
      raise UserError(f"no config.model.width up to {step * high:,} gives {wanted:,.0f}")
    low, high = high, 2 * high
    sizes[high] = at(step * high)
  while high - low > 1:  # the root of most of them is all but linear in the width
    first, last, root = (math.sqrt(n) for n in (sizes[low], sizes[high], wanted))
    guess = low + round((high - low) * (root - first) / (last - first))
    middle = min(max(guess, low + 1), high - 1)
    sizes[middle] = at(step * middle)
    low, high = (middle, high) if sizes[middle] < wanted else (low, middle)
  best = min((n for n in (low, high) if n), key=lambda n: abs(sizes[n] - wanted))
  return step * best, sizes[best]


def _step(at: Any) -> int:
  """The finest step of widths that the network's parts divide.

  Raises:
    UserError: what they say of the coarsest, if none will do.
  """
  for step in STEPS:
    try:
      at(step), at(3 * step)
      return step
    except UserError as error:
      refused = error
  raise refused


def size(config: ConfigDict) -> int:
  """Parameters of the network of a config, but for tables that are looked up by ids and a head over
  the vocabulary.
  """
  config = config.copy_and_resolve_references()
  config.model.vocab = 0
  call = parse_one(config.model.name, "config.model.name")
  if call.name == "reader":  # its stack is that of a network which reads tokens
    config.model.name = "encoder" if call.kwargs.get("both_ways") else "decoder"
  network = networks.make_network(config, networks.Ends(1))
  assert isinstance(network, Network)
  return without_tables(jax.eval_shape(network.init, jax.random.key(0), *inputs_of(config, 1)))


def without_tables(params: Any) -> int:
  return sum(math.prod(x.shape) for path, x in by_path(params).items() if not is_table(path))


def inputs_of(config: ConfigDict, length: int) -> tuple[Any, ...]:
  """What a stack reads, as shapes: a row of tokens, and a source as long where it reads one."""
  ids_BT = jax.ShapeDtypeStruct((1, length), jnp.int32)
  reads = parse_one(config.model.name, "config.model.name").name == "encoder_decoder"
  return (ids_BT, ids_BT, None, *((ids_BT, (ids_BT,) * 3) if reads else ()))
