"""Sums of three digits, written by an LSTM from their text.

Paper:    google/flax, examples/seq2seq: an LSTM reads "97+311" and one that starts from its last
          state writes "408"; hidden size 512, batch 128.
Claim:    all sums are right after 1,000 or more steps of its script.
Data:     made: 50,000 sums of numbers below 1,000, a hundredth of them held out.
Command:  seqlab train --config=experiments/papers/adder.py --workdir=runs/adder
          seqlab generate --workdir=runs/adder --source="97+311" --beams=1
          seqlab reproduce adder
Time:     5 minutes on 2 CPU cores.
Expected: 98 % and more of the held-out sums are right, digit by digit.
"""

from ml_collections import ConfigDict

CLAIM = dict(
  says="an LSTM encoder-decoder without attention learns to add",
  source="google/flax examples/seq2seq (README: accuracy 1.0)",
  cost="5 minutes on 2 cores",
  results=(
    dict(
      name="held-out sums, %",
      metric="exact match",
      published="100",
      low=98.0,
      high=100.0,
      measure="generate --beams=1 --penalty=0",
    ),
  ),
)


def get_config():
  config = ConfigDict()
  config.objective, config.length = "sequence_to_sequence()", 9
  config.model = ConfigDict(dict(name="encoder_decoder(attention='none')", width=256, depth=1))
  config.model.mixer, config.model.mlp = "lstm()", "none()"
  config.data = ConfigDict(dict(source="additions(digits=3)", tokenizer="characters()"))
  config.data.valid = "hash(fraction=0.01)"
  config.steps, config.batch, config.inner_steps = 6000, 128, 10
  config.lr, config.schedule = 3e-3, "cosine(warmup=100)"
  config.decay = 0.0
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
