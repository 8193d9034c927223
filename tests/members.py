"""The mixers that every law is tried on: each registered one, and the options that take another
path."""

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
