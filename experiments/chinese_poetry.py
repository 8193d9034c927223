"""Classical Chinese poems: a byte-level BPE, then a hybrid language model.

Data:     Werneror/Poetry (MIT): 12,058 poems of Song and Yuan to train on, 3,019 of Jin and Yuan to
be judged by.
          Within a file a poem often stands twice in two versions (39% of the lines of a random
          tenth are in the rest, word for word), so a random split would reward remembering; of the
          lines of the other file 0.2% are.
Command:  seqlab train --config=experiments/chinese_poetry.py --workdir=runs/poetry
          seqlab evaluate --workdir=runs/poetry && python scripts/baselines.py runs/poetry
          seqlab sample --workdir=runs/poetry --prompt="春风" --tokens=60 --temperature=0.8
Time:     about 6 minutes on 2 CPU cores, of which the BPE takes half a minute. Expected: bits per
character below those of a character trigram (8.69), which the second command prints.
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
  config.model.dropout = 0.1
  config.data = ConfigDict()
  config.data.source = "csv(path='../shared/data/poetry/song_yuan.csv', field='内容')"
  config.data.valid = "csv(path='../shared/data/poetry/jin_yuan.csv', field='内容')"
  config.data.tokenizer = "bpe(vocab=6000)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
