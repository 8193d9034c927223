"""Characters of Shakespeare: mixers compared at equal parameters by changing one field.

What:     a small decoder on tiny Shakespeare, as wide as gives it 200,000 parameters beside the
          table of characters. :shuffled is a control: attention on the same characters in a drawn
          order, of which only their frequencies can be learned.
Data:     karpathy/char-rnn's input.txt; the last 10% are the validation text.
Command:  seqlab train --config=experiments/char_shakespeare.py --workdir=runs/char
          with --config.model.mixer="lstm()", "min_gru() | attention(heads=4)", ... or :lstm and so
          on; the table of all, three seeds each:
          scripts/seeds --runs=runs/char --table=char_shakespeare \\
            "experiments/char_shakespeare.py:*"
Time:     1 to 5 minutes a run of one CPU core; 87 runs, which two processes share by --part=0/2 and
          --part=1/2 before the command above makes the table of them.
Expected: docs/results.md has the table, with what counting characters reaches. Arguments are the
          defaults; Hyena's filter of 1,024 lags is better as long as a row: 1.794 +- 0.070 by
          scripts/seeds --runs=runs/hyena experiments/char_shakespeare.py:hyena \\
            --config.model.mixer="hyena(length=128)", where the same without gave 1.849 +- 0.016.
"""

from ml_collections import ConfigDict

MIXERS = (
  *("attention", "delta_net", "differential_attention", "gated_delta_net", "gla", "gru", "hyena"),
  *("linear_attention", "lru", "lstm", "mamba", "mamba2", "min_gru", "min_lstm", "mla", "mlstm"),
  *("parallel", "qrnn", "retention", "rg_lru", "rnn", "rwkv4", "rwkv7", "s4d", "s5", "short_conv"),
  *("slstm", "tcn"),
)
ARGUMENTS = (*MIXERS, "shuffled")


def get_config(name="attention"):
  config = ConfigDict()
  config.steps, config.batch, config.length = 1000, 16, 128
  config.lr = 2e-3
  config.schedule = "cosine(warmup=100, final=0.1)"
  config.optimizer = "adamw(b2=0.99)"
  config.model = ConfigDict(dict(parameters=200_000, depth=4, mlp="gated()"))
  config.model.mixer = "attention()" if name == "shuffled" else f"{name}()"
  config.data = ConfigDict()
  config.data.source = "text(path='../shared/data/tinyshakespeare/input.txt.xz')"
  config.data.clean = "shuffled()" if name == "shuffled" else ""
  config.data.tokenizer = "characters()"
  config.data.valid = "tail(fraction=0.1)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
