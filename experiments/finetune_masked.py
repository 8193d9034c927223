"""A masked language model of Chinese reviews, fine-tuned on sentiment, beside the same network from
scratch.

Data:     waimai_10k (11,987 reviews of Chinese take-away, 1 = content) and ChnSentiCorp_htl_all
          (7,766 of hotels). The pretraining reads both as plain text; the fine-tuning reads waimai
          with labels. A review is in the validation split by a hash of its place in the file, hence
          in the same split in every stage.
Paper:    BERT (Devlin et al. 2018, arXiv:1810.04805): hidden tokens, then fine-tuning.
Command:  seqlab train --config=experiments/finetune_masked.py:pretrain \\
            --workdir=runs/masked/pretrain
          scripts/seeds --runs=runs/masked --metric=accuracy \\
            experiments/finetune_masked.py:finetune experiments/finetune_masked.py:scratch
Time:     about 5 minutes on 2 CPU cores for the pretraining, and 3 for three seeds of both.
Expected: accuracy on the held-out waimai reviews: fine-tuned 0.891 ± 0.006, from scratch 0.878 ±
          0.004, paired +0.013 ± 0.002 (three seeds).
"""

from ml_collections import ConfigDict

PRETRAINED = "runs/masked/pretrain"
WAIMAI = "path='../shared/data/chinese_cls/waimai_10k.csv.xz', field='review'"
HOTELS = "path='../shared/data/chinese_cls/ChnSentiCorp_htl_all.csv.xz', field='review'"


def get_config(stage="pretrain"):
  config = ConfigDict()
  config.model = ConfigDict(
    dict(name="encoder", width=128, depth=2, mixer="attention(heads=4)", mlp="gated()")
  )
  config.data = ConfigDict(dict(valid="hash(fraction=0.2)"))
  config.optimizer = "adamw(b2=0.99)"
  if stage == "pretrain":
    config.objective = "masked_language_model(rate=0.2)"
    config.steps, config.batch, config.length, config.lr = 3000, 32, 64, 2e-3
    config.schedule = "cosine(warmup=200, final=0.05)"
    config.data.source = f"csv({HOTELS}) | csv({WAIMAI})"
    config.data.tokenizer = "bpe(vocab=4096)"
    config.data.rows = "packed"
    config.evaluate = ConfigDict(dict(every=1000, batches=50))
    config.checkpoint = ConfigDict(dict(every=1000))
  elif stage in ("finetune", "scratch"):
    config.objective = "classification()"
    config.steps, config.batch, config.length, config.lr = 200, 32, 64, 5e-4
    config.schedule = "cosine(warmup=20, final=0.05)"
    config.model.dropout = 0.1
    config.data.source = f"csv({WAIMAI}, label='label')"
    config.data.tokenizer = f"file(path='{PRETRAINED}/tokenizer')"
    config.evaluate = ConfigDict(dict(every=0))
    config.checkpoint = ConfigDict(dict(every=0))
    if stage == "finetune":
      config.init = ConfigDict(dict(path=PRETRAINED))
  else:
    raise ValueError(f"stage {stage!r} is not pretrain, finetune or scratch")
  return config
