"""The mixers that every law is tried on: each registered one, and the options that take another
path."""

import jax
import numpy as np

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


def drawn(init, *inputs):
  """Parameters of normal numbers; nothing is compiled for them."""
  shapes, draw = jax.eval_shape(init, jax.random.key(0), *inputs), np.random.default_rng(0)
  return jax.tree.map(lambda s: draw.normal(scale=0.4, size=s.shape).astype("f4"), shapes)
