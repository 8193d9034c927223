"""Kim's convolutional network on sentences: questions of TREC, opinions of film reviews.

Paper:    Kim 2014 (arXiv:1408.5882), table 2, CNN-rand: words drawn at random, windows of 3, 4 and
          5 words with 100 filters each, dropout 0.5, norms of at most 3, Adadelta, batch 50, 25
          epochs, the best on a tenth of the training sentences.
Claim:    91.2 % of TREC's 500 test questions are given the right of six classes, 76.1 % of MR's
          10,662 sentences, ten times a tenth of them, the right of two. Here three of those tenths
          (reduced size), each trained as in the paper.
Data:     TREC: 5,452 questions to train on (a tenth of them held out). MR: a tenth for the test, a
          tenth held out. Lower-cased words.
Command:  seqlab train --config=experiments/papers/textcnn.py:trec --workdir=runs/trec
          (or :mr0 to :mr9); seqlab reproduce textcnn
Time:     3 minutes a seed of TREC, 5 a fold of MR on one CPU core.
Expected: TREC 91.2 +- 2 %, MR 76.1 +- 1.5 %.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/sentence_cls"
CLAIM = dict(
  says="a convolutional network on random word vectors tells kinds of questions and opinions",
  source="Kim 2014, table 2, CNN-rand",
  cost="30 minutes on 2 cores",
  results=(
    dict(
      name="TREC, test accuracy",
      argument="trec",
      metric="accuracy",
      published="0.912",
      low=0.892,
      high=0.932,
      seeds=(0, 1, 2),
      measure=f"evaluate --data=\"labelled(path='{DATA}/TREC.test.all.xz', encoding='latin-1')\"",
    ),
    dict(
      name="MR, accuracy over three of ten folds",
      argument="mr{seed}",
      metric="accuracy",
      published="0.761",
      low=0.746,
      high=0.776,
      seeds=(0, 1, 2),
      measure="evaluate --split=test",
    ),
  ),
)
ARGUMENTS = ("trec", *(f"mr{fold}" for fold in range(10)))


def get_config(kind="trec"):
  config = ConfigDict()
  config.objective, config.batch = "classification()", 50
  config.model = ConfigDict(dict(name="text_cnn()", width=300, dropout=0.5))
  config.data = ConfigDict(dict(tokenizer="words(min_count=1)", clean="lower()"))
  if kind == "trec":
    file, config.length, epoch = "TREC.train.all.xz", 40, 99
  else:
    file, config.length, epoch = "rt-polarity.all.xz", 64, 171
    config.data.valid = f"hash(fraction=0.1, test=0.1, fold={int(kind.removeprefix('mr'))})"
  config.data.source = f"labelled(path='{DATA}/{file}', encoding='latin-1')"
  config.steps = 25 * epoch
  config.lr, config.schedule, config.optimizer = 1.0, "constant()", "adadelta()"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=epoch))
  config.checkpoint = ConfigDict(dict(every=epoch, metric="accuracy"))
  return config
