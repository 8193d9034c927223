"""The product of permutations so far, learned on short rows and told on longer ones.

What:     the word problem of S3: six elements, and at every place the product of all before it and
          of its own. Training rows have 3 to 32 elements, those of validation 33 to 128.
Data:     made: see docs/tasks.md.
Command:  seqlab train --config=experiments/state_tracking.py --workdir=runs/s3
          with --config.model.mixer="attention()", "rnn()", "delta_net(negative=True)", ...
Time:     1 minute on 1 CPU core.
Expected: accuracy over three seeds by seqlab sweep run --config=experiments/state_tracking.py
          --workdir=sweeps/tracking --jobs=2 (6 minutes on 2 cores): 1.000 with lstm() and rnn(),
          0.215 +- 0.012 with attention(), 0.27 +- 0.21 with delta_net(negative=True), where
          guessing gives 0.17.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.objective, config.length = "answers()", 32
  config.data = ConfigDict(dict(source="word_problem(points=3, least=3, count=1000000)"))
  config.data.valid = "word_problem(points=3, least=33, length=128, count=1000)"
  config.model = ConfigDict(dict(mixer="lstm()", width=64, depth=1))
  config.steps, config.batch, config.inner_steps = 2000, 64, 10
  config.lr, config.schedule, config.decay = 3e-3, "cosine(warmup=100)", 0.0
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config


def get_sweep(sweep):
  mixers = ("lstm()", "rnn()", "attention()", "delta_net(negative=True)")
  return sweep.product(sweep.over("model.mixer", mixers), sweep.over("seed", range(3)))
