"""Kim's convolutional network on the questions of TREC (PAPERS row 23).

Paper:    Kim 2014 (arXiv:1408.5882), table 2, CNN-rand: words drawn at random, windows of 3, 4 and
          5 words with 100 filters each, dropout 0.5, norms of at most 3, Adadelta, batch 50, 25
          epochs, the best on a tenth of the training questions.
Claim:    91.2 % of the 500 test questions are given the right of six classes.
Data:     5,452 questions to train on (a tenth of them held out), lower-cased words.
Command:  seqlab train --config=experiments/papers/textcnn_trec.py --workdir=runs/trec
          seqlab reproduce textcnn_trec
Time:     1 minute a seed on 2 CPU cores.
Expected: 91.2 +- 2 %.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/sentence_cls"
CLAIM = dict(
  says="a convolutional network on random word vectors tells six classes of questions",
  source="Kim 2014, table 2, CNN-rand on TREC",
  cost="4 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    dict(
      name="test accuracy",
      metric="accuracy",
      published="0.912",
      low=0.892,
      high=0.932,
      measure=f"evaluate --data=\"labelled(path='{DATA}/TREC.test.all.xz', encoding='latin-1')\"",
    ),
  ),
)


def get_config():
  config = ConfigDict()
  config.objective, config.length = "classification()", 40
  config.model = ConfigDict(dict(name="text_cnn()", width=300, dropout=0.5))
  config.data = ConfigDict(dict(tokenizer="words(min_count=1)", clean="lower()"))
  config.data.source = f"labelled(path='{DATA}/TREC.train.all.xz', encoding='latin-1')"
  config.steps, config.batch = 2475, 50
  config.lr, config.schedule, config.optimizer = 1.0, "constant()", "adadelta()"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=99))
  config.checkpoint = ConfigDict(dict(every=99))
  return config
