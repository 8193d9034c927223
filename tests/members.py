"""The mixers that every law is tried on: each registered one, and the options that take another
path."""

import pytest

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
  "min_lstm()",
  "lru()",
  "s5()",
  "rg_lru()",
  "mamba2(states=8)",
  "gla()",
  "delta_net()",
  "gated_delta_net()",
  "slstm()",
  "mlstm()",
  "retention()",
  "linear_attention()",
  "mamba(states=4)",
  "s4d(states=4)",
  "rwkv4()",
  "rwkv7()",
  "mla(heads=2)",
  "differential_attention(heads=2)",
  "short_conv()",
  "qrnn()",
  "tcn(dilations=(1, 2))",
  "hyena(filter_width=8)",
  "parallel(left='min_gru()', right='attention(heads=2)')",
)

# Further options, of what SPECS already show: in `-m slow`.
OPTIONS = (
  "attention(heads=2, positions='xpos', rope_scale=2.0)",
  "attention(heads=2, positions='sinusoidal')",
  "lstm(peephole=True)",
  "min_lstm(positive=False, hidden=24)",
  "s5(hidden=12, blocks=2)",
  "rg_lru(hidden=24, heads=2, conv=3)",
  "mamba2(heads=2, states=4, expand=3, conv=1)",
  "gla(heads=2, key_width=3)",
  "delta_net(heads=2, key_width=3, value_width=5, negative=True)",
  "gated_delta_net(heads=2, conv=3, negative=True)",
  "slstm(heads=2, conv=0)",
  "mlstm(heads=2, expand=1)",
  "retention(heads=2, expand=1)",
  "linear_attention(feature='taylor', key_width=3)",
  "mamba(states=3, expand=1, conv=2, rank=2)",
  "rwkv7(heads=2, rank=3)",
  "mla(heads=2, latent=6, rope_width=2, window=3)",
  "differential_attention(heads=1, window=3, first=0.2)",
  "qrnn(size=3, hidden=24)",
  "tcn(size=2, dilations=(3,))",
  "hyena(filter_width=8, length=5, conv=1)",
)


def marked(spec: str, fast: tuple[str, ...]):
  """The spec, slow unless its mixer is one of these."""
  return spec if spec.partition("(")[0] in fast else pytest.param(spec, marks=pytest.mark.slow)


EVERY = (*SPECS, *(pytest.param(spec, marks=pytest.mark.slow) for spec in OPTIONS))


def mixer(spec: str) -> Mixer:
  """The unbound mixer of a spec."""
  return make(parse_one(spec), MIXERS)
