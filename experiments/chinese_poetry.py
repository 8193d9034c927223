"""Classical Chinese poems: a byte-level BPE, then a hybrid language model.

Data:     Werneror/Poetry (MIT), two dynasties: title, dynasty, author and text in columns.
Command:  seqlab train --config=experiments/chinese_poetry.py --workdir=runs/poetry
          seqlab sample --workdir=runs/poetry --prompt="春风" --tokens=60 --temperature=0.8
Time:     about 10 minutes on 2 CPU cores, of which the BPE takes one.
Expected: bits per character below those of a character trigram on the same split
          (`python scripts/baselines.py runs/poetry` prints them).
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length = 1500, 16, 128
  config.lr = 5e-3
  config.schedule = "cosine(warmup=50, final=0.05)"
  config.optimizer = "muon()"
  config.model = ConfigDict()
  config.model.width, config.model.depth = 192, 4
  config.model.mixer = "min_gru() | attention(heads=4)"
  config.model.mlp = "gated()"
  config.model.dropout = 0.05
  config.data = ConfigDict()
  config.data.source = "csv(path='../shared/data/poetry/*.csv', field='内容')"
  config.data.tokenizer = "bpe(vocab=6000)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
