"""The title of a classical Chinese poem from its text: summarisation from scratch, and after span
corruption on the poems alone.

Data:     Werneror/Poetry (MIT): titles and texts of 64 characters at most, 8,734 poems of Song and
          Yuan to train on, 2,169 of Jin and Yuan to be judged by. They are no headlines of news,
          for which no pairs were at hand: most titles name an occasion that the poem does not tell,
          and long cycles share one.
Paper:    T5 (Raffel et al. 2019, arXiv:1910.10683), for the pretraining.
Command:  seqlab train --config=experiments/headlines.py:spans --workdir=runs/headlines/spans
          seqlab train --config=experiments/headlines.py:finetune --workdir=runs/headlines/finetune
          seqlab train --config=experiments/headlines.py:scratch --workdir=runs/headlines/scratch
          seqlab generate --workdir=runs/headlines/scratch
          seqlab generate --workdir=runs/headlines/finetune \\
            --against=runs/headlines/scratch/generate_valid.jsonl
Time:     2, 6 and 5 minutes on one CPU core, with other work beside it, and a minute for each set
          of titles.
Expected: span corruption ends at a validation perplexity of 74.8. Titles: 8.50 bits a character
          after it, 8.58 from scratch; ROUGE-1 4.45 against 4.06, paired +0.39 [0.02, 0.76], ROUGE-2
          0.50 against 0.88, -0.38 [-0.51, -0.25]. Both write the titles of a few cycles: the path
          is shown here, and that so little text gives no summaries. One seed.
"""

from ml_collections import ConfigDict

POEMS = "csv(path='../shared/data/poetry/{}.csv', field={}"
SPANS = "runs/headlines/spans"
ARGUMENTS = ("spans", "finetune", "scratch")


def get_config(stage="spans"):
  pair = "'内容')" if stage == "spans" else "'题目', source='内容')"
  config = ConfigDict()
  config.batch, config.length, config.lr = 32, 68, 2e-3
  config.schedule, config.optimizer = "cosine(warmup=50, final=0.05)", "adamw(b2=0.99)"
  config.model = ConfigDict(dict(name="encoder_decoder", width=128, depth=2))
  config.model.mixer, config.model.mlp = "attention(heads=4)", "gated()"
  config.model.vocab = 5760  # the characters and the sentinels, in every stage
  config.data = ConfigDict(dict(clean="length(max=64)"))
  config.data.source = POEMS.format("song_yuan", pair)
  config.data.valid = POEMS.format("jin_yuan", pair)
  config.evaluate = ConfigDict(dict(every=0))
  config.checkpoint = ConfigDict(dict(every=0))
  if stage == "spans":
    config.objective, config.steps = "span_corruption()", 500
    config.data.tokenizer = "characters()"
  else:
    config.objective, config.steps = "sequence_to_sequence(label_smoothing=0.1)", 700
    config.model.dropout = 0.1
    config.data.tokenizer = f"file(path='{SPANS}/tokenizer')"
  if stage == "finetune":
    config.init = ConfigDict(dict(path=SPANS))
  return config
