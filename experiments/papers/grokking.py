"""Grokking: long after it knows the training pairs by heart, a Transformer comes to understand
division, and sooner with weight decay.

Paper:    Power et al. 2022 (arXiv:2201.02177), figures 1 and 2, section A.1.2.
Claim:    division modulo 97 with half of all pairs: training accuracy is at 99 % by step 1,000,
          when validation is far below; with a weight decay of 1 that is at 99 % by step 5,000, too,
          without any it is far from it.
Data:     made: see docs/tasks.md.
Command:  seqlab train --config=experiments/papers/grokking.py:decay --workdir=runs/grokking
          (or :none); seqlab reproduce grokking
Time:     3 minutes of one CPU core with decay, 3 without.
Expected: validation accuracy at least 0.99 with decay, at most 0.5 without, after as many steps.
"""

from ml_collections import ConfigDict

ARGUMENTS = ("decay", "none", "early")
TRAIN = "evaluate --split=train --step=latest"
CLAIM = dict(
  says="weight decay lets a Transformer understand division that it knows by heart already",
  source="Power et al. 2022, figures 1 and 2",
  cost="8 minutes on 2 cores",
  results=(
    dict(name="by heart at step 1,000", argument="early", metric="accuracy", published="about 1",
         low=0.99, high=1.0, measure=TRAIN),
    dict(name="not yet understood then", argument="early", metric="accuracy", published="low",
         low=0.0, high=0.3, measure="evaluate --step=latest"),
    dict(name="understood with decay 1", argument="decay", metric="accuracy", published="about 1",
         low=0.99, high=1.0, measure="evaluate --step=latest"),
    dict(name="not without decay", argument="none", metric="accuracy", published="low", low=0.0,
         high=0.5, measure="evaluate --step=latest"),
    dict(name="by heart without decay", argument="none", metric="accuracy", published="about 1",
         low=0.99, high=1.0, measure=TRAIN),
  ),
)  # fmt: skip


def get_config(way="decay"):
  config = ConfigDict()
  config.objective, config.length = "answers()", 4
  config.steps = 1000 if way == "early" else 5000
  config.batch, config.inner_steps = 512, 50
  config.lr, config.schedule, config.optimizer = 1e-3, "constant(warmup=10)", "adamw(b2=0.98)"
  config.decay, config.decay_of = 0.0 if way == "none" else 1.0, ".*"
  config.model = ConfigDict(dict(width=128, depth=2, mixer="attention(heads=4)", norm="layer"))
  config.model.tied = False
  config.data = ConfigDict(dict(source="modular()", valid="hash(fraction=0.5)"))
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  config.log = ConfigDict(dict(every=100, tensorboard=False))
  return config
