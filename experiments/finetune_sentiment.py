"""Pretrain on text, then fine-tune: on sentiment a decoder that was a language model, or an encoder
that was a masked one; on tags of made-up names the encoder.

Data:     waimai_10k (11,987 reviews of Chinese take-away, 1 = content) and ChnSentiCorp_htl_all
          (7,766 of hotels). The pretraining reads both as plain text; the fine-tuning reads waimai
          with labels. A review is in the validation split by a hash of its place in the file, hence
          in the same split in every stage. Tags: entities(language='zh') of experiments/ner.py.
Paper:    for the encoder BERT (Devlin et al. 2018, arXiv:1810.04805); for :layers and :gradual
          ULMFiT (arXiv:1801.06146), for :lora arXiv:2106.09685.
Command:  seqlab train --config=experiments/finetune_sentiment.py:pretrain \\
            --workdir=runs/sentiment/pretrain
          scripts/seeds --runs=runs/sentiment --metric=accuracy \\
            experiments/finetune_sentiment.py:finetune experiments/finetune_sentiment.py:scratch
          and the same with :masked_pretrain (--workdir=runs/sentiment/masked_pretrain),
          :masked_finetune and :masked_scratch. Ways like :finetune are :head, :layers, :gradual and
          :lora; of tags experiments/finetune_sentiment.py:masked_tags_finetune and so on.
Time:     on 2 CPU cores about 4 minutes for the pretraining (9 for the masked one) and 4 for three
          seeds of both; 9 minutes of one core for the 18 runs of the table.
Expected: accuracy on the held-out waimai reviews, three seeds: fine-tuned above scratch in every
          one. Decoder 0.897 against 0.874, paired +0.023 ± 0.010; encoder 0.894 against 0.878,
          paired +0.016 ± 0.009. Every way, one seed, each at the first learning rate tried; of tags
          span F1, each with a 95% interval of about ±1.5:
                     scratch  finetune  head   layers  gradual  lora
            decoder   0.879    0.896    0.853   0.888   0.880   0.887
            encoder   0.880    0.894    0.847   0.888   0.882   0.884
            tags      77.6     82.1     58.4    79.4    76.9    82.7
          LoRA learns 39,298 numbers (40,006 of tags) beside 920,192.
"""

from ml_collections import ConfigDict

WAIMAI = "path='../shared/data/chinese_cls/waimai_10k.csv.xz', field='review'"
HOTELS = "path='../shared/data/chinese_cls/ChnSentiCorp_htl_all.csv.xz', field='review'"
MADE = "language='zh', sentences"
WAYS = dict(  # peak learning rate, what does not move, how the rest does
  scratch=(5e-4, "", ""),
  finetune=(5e-4, "", ""),
  head=(5e-3, "embed|stack|final_norm", ""),
  layers=(5e-4, "", "layer_decay(factor=0.5)"),
  gradual=(5e-4, "", "gradual(every=40)"),
  lora=(3e-3, "", "lora(rank=8, alpha=16)"),
)
STAGES = ("pretrain", *WAYS)
ARGUMENTS = (*STAGES, *(f"masked_{s}" for s in STAGES), *(f"masked_tags_{way}" for way in WAYS))


def get_config(stage="pretrain"):
  kind, masked = stage.removeprefix("masked_"), stage.startswith("masked_")
  way, tags = kind.removeprefix("tags_"), kind.startswith("tags_")
  pretrained = f"runs/sentiment/{'masked_' * masked}pretrain"
  config = ConfigDict()
  config.model = ConfigDict(dict(width=128, depth=2, mixer="attention(heads=4)", mlp="gated()"))
  config.model.name = "encoder" if masked else "decoder"
  config.data = ConfigDict(dict(valid="hash(fraction=0.2)"))
  config.optimizer = "adamw(b2=0.99)"
  if kind == "pretrain":
    config.steps, config.batch, config.length, config.lr = 1500, 32, 64, 2e-3
    config.schedule = "cosine(warmup=100, final=0.05)"
    config.data.source = f"csv({HOTELS}) | csv({WAIMAI})"
    config.data.tokenizer, config.data.rows = "bpe(vocab=4096)", "packed"
    config.evaluate = ConfigDict(dict(every=500, batches=50))
    config.checkpoint = ConfigDict(dict(every=500))
    if masked:  # only a fifth of the tokens teach
      config.objective = "masked_language_model(rate=0.2)"
      config.steps, config.schedule = 3000, "cosine(warmup=200, final=0.05)"
      config.evaluate.every = config.checkpoint.every = 1000
  else:
    config.objective = "tagging()" if tags else "classification()"
    config.steps, config.batch, config.length = 200, 32, 64
    config.schedule = "cosine(warmup=20, final=0.05)"
    config.model.dropout = 0.1
    config.data.source = f"csv({WAIMAI}, label='label')"
    if tags:
      config.data.source, config.length = f"entities({MADE}=3000)", 96
      config.data.valid = f"entities({MADE}=500, part='held_out')"
    config.data.tokenizer = f"file(path='{pretrained}/tokenizer')"
    config.evaluate = config.checkpoint = ConfigDict(dict(every=0))
    config.lr, freeze, adapt = WAYS[way]
    config.init = ConfigDict(dict(path=pretrained * (way != "scratch"), freeze=freeze, adapt=adapt))
  return config
