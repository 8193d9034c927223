"""Quickstart: a small Transformer on text that every Python installation carries.

What:     byte-level BPE and a decoder of 1.3M parameters on the standard library's own code and
          docstrings.
Command:  seqlab train --config=experiments/quickstart.py --workdir=runs/quickstart
Time:     about 4 minutes on 2 CPU cores.
Expected: bits per byte below a byte bigram model's and xz's on the same text (scripts/demo prints
          them all). The corpus depends on the Python version, so the number itself does too.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.steps = 1000
  config.batch = 8
  config.length = 256
  config.lr = 5e-3
  config.schedule = "cosine(warmup=50, final=0.05)"
  config.optimizer = "muon()"

  config.model = ConfigDict()
  config.model.width = 128
  config.model.depth = 4
  config.model.mixer = "attention(heads=4)"

  config.data = ConfigDict()
  config.data.source = "embedded()"
  config.data.tokenizer = "bpe(vocab=4096)"

  config.evaluate = ConfigDict(dict(every=250, batches=20))
  config.checkpoint = ConfigDict(dict(every=250))
  return config
