"""Long Range Arena: nested lists and film reviews of thousands of symbols, read both ways by linear
recurrences.

Paper:    S5 (Smith 2023, arXiv:2208.04933, table 1): ListOps 62.15 %, Text 89.31 %; a Transformer
          36.37 and 64.27 % (Tay 2021, arXiv:2011.04006, table 1).
Claim:    after 10 epochs at least 50 % and 80 %, the milestones of the S4 authors' code.
Data:     ListOps is made, 96,000 lists of 500 to 2,000 symbols; Text: ../shared/data/imdb, the
          25,000 reviews to train on and as many to test, in bytes, the first 4,096.
Command:  seqlab train --config=experiments/papers/lra.py:listops --workdir=runs/listops
          (or :text); seqlab reproduce lra
Time:     a minute an epoch of one H200, by its FLOPs; one CPU core makes the lists of an epoch in
          10 to 20 minutes meanwhile. Days of two CPU cores.
Expected: at least 0.50 and 0.80. ListOps is told at the last symbol, not of a mean over all;
          validation lists are made as the others are, not the published ones.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/imdb"
ARGUMENTS = ("listops", "text")
LAST = "evaluate --step=latest"  # not chosen on what it is tested on
CLAIM = dict(
  says="linear recurrences read both ways tell nested lists and reviews of thousands of symbols",
  source="Smith 2023, table 1",
  cost="25 minutes on an H200, and 3 hours of making lists",
  wants="gpu",
  results=(
    dict(name="ListOps, 10 epochs", argument="listops", metric="accuracy",
         published="0.6215 after 40", low=0.5, high=1.0, measure=LAST),
    dict(name="Text, 10 epochs", argument="text", metric="accuracy", published="0.8931 after 35",
         low=0.8, high=1.0, measure=LAST),
  ),
)  # fmt: skip


def get_config(name="listops"):
  listops = name == "listops"
  config = ConfigDict()
  config.batch = 50 if listops else 16
  epoch = 96_000 // 50 if listops else 25_000 // 16
  config.steps, config.inner_steps = 10 * epoch, 20
  config.lr, config.schedule = (3e-3 if listops else 4e-3), f"cosine(warmup={epoch}, final=0.0)"
  config.decay, config.length = (0.04, 2000) if listops else (0.07, 4096)
  config.rates = (("mixer/.*(step|shrink|turn)_", 0.25),)
  config.model = ConfigDict(dict(name="encoder", dropout=0.0 if listops else 0.1, mlp="gated()"))
  config.model.width, config.model.depth = (128, 8) if listops else (256, 6)
  config.model.mixer = "s5(hidden=128, blocks=8)" if listops else "s5(hidden=192, blocks=12)"
  if listops:
    config.objective = "answers()"
    config.data = ConfigDict(dict(source="listops(least=500, length=2000, count=96000)"))
    config.data.valid = "listops(least=500, length=2000, count=2000, seed=1)"
  else:
    config.objective = "classification()"
    config.data = ConfigDict(dict(tokenizer="bytes()"))
    for key, part in dict(source="train", valid="test").items():
      config.data[key] = f"jsonl(path='{DATA}/imdb_{part}.jsonl.xz', label='label')"
  config.evaluate = ConfigDict(dict(every=epoch))
  config.checkpoint = ConfigDict(dict(every=epoch))
  return config
