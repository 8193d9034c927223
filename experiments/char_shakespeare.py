"""Characters of Shakespeare: the playground in which mixers are compared by changing one field.

What:     a small decoder on tiny Shakespeare, relative positions left to the mixer.
Data:     karpathy/char-rnn's input.txt; the last 10% are the validation text.
Command:  seqlab train --config=experiments/char_shakespeare.py --workdir=runs/char
          with --config.model.mixer="rnn()", "lstm()", "gru()", "min_gru()" or
          "min_gru() | attention(heads=4)"
Time:     about 5 minutes on 2 CPU cores.
Expected: between 1.6 and 1.9 nats, by mixer.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length = 2000, 16, 128
  config.lr = 2e-3
  config.schedule = "cosine(warmup=100, final=0.1)"
  config.optimizer = "adamw(b2=0.99)"
  config.model = ConfigDict(dict(width=128, depth=4, mixer="attention(heads=4)", mlp="gated()"))
  config.data = ConfigDict()
  config.data.source = "text(path='../shared/data/tinyshakespeare/input.txt.xz')"
  config.data.tokenizer = "characters()"
  config.data.valid = "tail(fraction=0.1)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
