"""The mixers that every law is tried on: each registered one, and the options that take another
path."""

import zlib

import jax
import numpy as np

from seqlab.leaves import by_path, nest
from seqlab.models.network import Network
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.spec import make, parse_one

SPECS = (
  "attention(heads=4)",
  "attention(heads=4, kv_heads=2, window=3, qk_norm=True)",
  "attention(heads=2, positions='alibi', softcap=5.0, bias=True)",
  "attention(heads=2, positions='none', window=1)",
  "rnn()",
  "lstm()",
  "lstm(hidden=24)",
  "gru()",
  "gru(reset_after=False)",
  "min_gru()",
  "min_gru(positive=False, hidden=24)",
)


def mixer(spec: str) -> Mixer:
  """The unbound mixer of a spec."""
  return make(parse_one(spec), MIXERS)


def parameters(network: Network, *inputs) -> dict:
  """Parameters of a network drawn by numpy: its own `init` takes seconds to compile."""
  shapes = by_path(jax.eval_shape(network.init, jax.random.key(0), *inputs))
  random = np.random.default_rng(zlib.crc32(repr(list(shapes)).encode()))

  def draw(path: str, shape: tuple[int, ...]) -> np.ndarray:
    return (("scale" in path) + 0.3 * random.normal(size=shape)).astype("f4")

  return nest({path: draw(path, leaf.shape) for path, leaf in shapes.items()})
