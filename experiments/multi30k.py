"""German to English with a Transformer: captions of photographs.

Data:     Multi30k, task 1 (Elliott et al. 2016, arXiv:1605.00459): 29,000 pairs to train on, 1,014
          to validate, raw text under one BPE of both languages.
Source:   the Transformer of bentrevett/pytorch-seq2seq (width 256, 3 + 3 blocks, 8 heads, hidden
          512, dropout 0.1), which has a vocabulary of lower-cased words for each language and ends
          at a test perplexity of 5.3 a word and BLEU 36 on its own tokens after 10 epochs: numbers
          that those of subwords and of cased, untokenized text cannot be set against.
Command:  seqlab train --config=experiments/multi30k.py --workdir=runs/multi30k
          seqlab generate --workdir=runs/multi30k --beams=4
          seqlab generate --workdir=runs/multi30k --source="Ein Hund rennt durch den Schnee."
Time:     35 minutes on 2 CPU cores for 10 epochs, with other work beside it.
Expected: validation perplexity 5.5 a subword, BLEU (sacrebleu 13a, cased) 40 greedy and 41 with
          five beams; 40.4 on test_2016_flickr. One seed.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/multi30k"


def get_config():
  config = ConfigDict()
  config.objective = "sequence_to_sequence()"
  config.steps, config.batch, config.length = 1940, 32, 64
  config.lr, config.schedule = 1e-3, "cosine(warmup=200, final=0.05)"
  config.model = ConfigDict(dict(name="encoder_decoder", width=256, depth=3, dropout=0.1))
  config.model.mixer = "attention(heads=8)"
  config.model.mlp = "plain(ratio=2.0)"
  config.data = ConfigDict(dict(tokenizer="bpe(vocab=8000)"))
  config.data.source = f"parallel(path='{DATA}/train.en.gz', source='{DATA}/train.de.gz')"
  config.data.valid = f"parallel(path='{DATA}/val.en.gz', source='{DATA}/val.de.gz')"
  config.evaluate = ConfigDict(dict(every=194))
  config.checkpoint = ConfigDict(dict(every=194))
  return config
