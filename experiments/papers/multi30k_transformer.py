"""A Transformer from German to English on Multi30k, lower-cased words.

Paper:    bentrevett/pytorch-seq2seq, notebook 6: width 256, 3 + 3 blocks, 8 heads, hidden 512,
          dropout 0.1, Adam 5e-4, batch 128, words that occur twice, 10 epochs.
Claim:    test perplexity 5.32 a word by teacher forcing, BLEU 36.5 (greedy, on its own tokens).
Differs:  words by our rules with hyphens apart (13,063 in the English test set, where the rules of
          spaCy's blank tokenizer give 13,059); one vocabulary for both languages, where it has
          7,853 and 5,893 words; blocks normalise before, not after; rows of packed pairs.
Command:  seqlab train --config=experiments/papers/multi30k_transformer.py --workdir=runs/m30k
          seqlab generate --workdir=runs/m30k --beams=1 --penalty=0
          seqlab reproduce multi30k_transformer
Time:     25 minutes on 2 idle CPU cores.
Expected: validation perplexity after each epoch (257 steps) 17.4, 9.3, 7.2, 6.2, 5.7, 5.4, 5.38,
          5.32, 5.32, 5.38; the best is tested: BLEU 36 to 37, within 36 +- 2, perplexity 5.57 to
          5.63 in three runs, a little above the published.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/multi30k"
TEST = f"parallel(path='{DATA}/test_2016_flickr.en.gz', source='{DATA}/test_2016_flickr.de.gz')"
CLAIM = dict(
  says="a Transformer of 3 + 3 blocks translates captions from German to English",
  source="bentrevett/pytorch-seq2seq, notebook 6",
  cost="25 minutes on 2 cores",
  results=(
    dict(
      name="test perplexity",
      metric="perplexity",
      published="5.32",
      low=5.05,
      high=5.55,
      measure=f'evaluate --data="{TEST}"',
    ),
    dict(
      name="test BLEU, greedy",
      metric="bleu",
      published="36.5",
      low=34.0,
      high=38.0,
      measure=f'generate --beams=1 --penalty=0 --data="{TEST}"',
    ),
  ),
  tried="5.57, 5.59 and 5.63, in three runs, miss the bound by 0.02 to 0.08. With hyphens inside "
  "words it was 5.57; dropout on embeddings and branches alone gave 5.91 at 0.1 and 5.63 at 0.2. "
  "Separate vocabularies and "
  "blocks that normalise after, as published, were not tried, nor other rates.",
)


def get_config():
  config = ConfigDict()
  config.objective = "sequence_to_sequence()"
  config.steps, config.batch, config.length = 2570, 36, 48
  config.lr, config.schedule, config.optimizer = 5e-4, "constant()", "adamw(b2=0.999)"
  config.decay, config.clip = 0.0, 1.0
  config.model = ConfigDict(dict(name="encoder_decoder", width=256, depth=3, dropout=0.1))
  config.model.mixer = "attention(heads=8, positions='none', dropout=0.1)"
  config.model.learned_positions = True
  config.model.mlp = "plain(ratio=2.0, activation='relu', dropout=0.1)"
  config.model.norm = "layer"
  config.model.tied = False
  config.data = ConfigDict(
    dict(tokenizer="words(min_count=2)", clean="lower() | words(hyphens='apart')")
  )
  config.data.source = f"parallel(path='{DATA}/train.en.gz', source='{DATA}/train.de.gz')"
  config.data.valid = f"parallel(path='{DATA}/val.en.gz', source='{DATA}/val.de.gz')"
  config.evaluate = ConfigDict(dict(every=257))
  config.checkpoint = ConfigDict(dict(every=257))
  return config
