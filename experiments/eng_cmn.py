"""English to Chinese: short sentences for learners of a language.

Data:     20,133 pairs of Tatoeba (CC BY 2.0 FR), their mixed Chinese brought to simplified
          characters; 1,033 held out by a hash of their places, of which 37 have their English in
          training too, under another translation.
Command:  seqlab train --config=experiments/eng_cmn.py --workdir=runs/eng_cmn
          seqlab generate --workdir=runs/eng_cmn
          seqlab generate --workdir=runs/eng_cmn --source="Where is the station?" --beams=4
Time:     6 minutes on one CPU core for 8 epochs, with other work beside it.
Expected: validation perplexity 24.0 a subword; BLEU by characters (sacrebleu zh) 21.3 [19.7, 22.7]
          with four beams, 20.3 greedy. One seed.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.objective = "sequence_to_sequence(label_smoothing=0.1)"
  config.steps, config.batch, config.length = 1536, 16, 64
  config.lr, config.schedule = 2e-3, "cosine(warmup=100, final=0.05)"
  config.optimizer = "adamw(b2=0.99)"
  config.model = ConfigDict(dict(name="encoder_decoder", width=128, depth=2, dropout=0.1))
  config.model.mixer, config.model.mlp = "attention(heads=4)", "gated()"
  config.data = ConfigDict(dict(tokenizer="bpe(vocab=5000)", clean="simplified()"))
  config.data.source = (
    "csv(path='../shared/data/eng_cmn/cmn.txt.xz', columns=('english', 'chinese'), "
    "delimiter='\\t', field='chinese', source='english')"
  )
  config.data.valid = "hash(fraction=0.05)"
  config.evaluate = ConfigDict(dict(every=384))
  config.checkpoint = ConfigDict(dict(every=384))
  return config
