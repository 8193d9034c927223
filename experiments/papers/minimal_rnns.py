"""Were RNNs all we needed? Recurrent networks without the hidden state in their gates learn
Shakespeare as well as Mamba and a Transformer do.

Paper:    Feng 2024 (arXiv:2410.01201), figure 2 and appendix C.3: 3 blocks of width 384, dropout
          0.2, AdamW at 1e-3, batch 64, clip 0.25, 5,000 steps, the best of evaluations every 25.
Claim:    test loss 1.548 (minGRU), 1.555 (minLSTM), 1.575 (Mamba), 1.547 (Transformer), in nats.
Data:     tiny Shakespeare, characters; its last tenth is what nanoGPT validates on and the paper
          calls its test.
Command:  seqlab train --config=experiments/papers/minimal_rnns.py:min_gru --workdir=runs/min_gru
          (or :min_lstm, :mamba, :transformer); seqlab reproduce minimal_rnns
Time:     2 to 3 minutes a run of one H200, by its FLOPs; about a day of two CPU cores each.
Expected: 1.55 +- 0.03. The paper's block is a convolution, the recurrence and an MLP; here blocks
          of the first two take turns, each with half the MLP. The window of 256 is not stated
          there.
"""

from ml_collections import ConfigDict

MIXERS = dict(
  min_gru="short_conv(size=4) | min_gru(hidden=768)",
  min_lstm="short_conv(size=4) | min_lstm(hidden=768)",
  mamba="mamba(states=16, expand=2)",
  transformer="attention(heads=6)",
)
PUBLISHED = dict(min_gru="1.548", min_lstm="1.555", mamba="1.575", transformer="1.547")
ARGUMENTS = tuple(MIXERS)
CLAIM = dict(
  says="recurrent networks without the state in their gates learn text as well as attention does",
  source="Feng 2024, figure 2",
  cost="12 minutes on an H200",
  wants="gpu",
  results=tuple(
    dict(name=f"{name}, validation loss", argument=name, metric="loss", low=1.52, high=1.58,
         published=PUBLISHED[name])
    for name in MIXERS
  ),
)  # fmt: skip


def get_config(name="min_gru"):
  config = ConfigDict()
  config.steps, config.batch, config.length, config.inner_steps = 5000, 64, 256, 25
  config.lr, config.schedule, config.clip = 1e-3, "constant()", 0.25
  config.model = ConfigDict(dict(width=384, depth=3, dropout=0.2, mixer=MIXERS[name]))
  config.model.mlp = "plain()"
  if name.startswith("min"):
    config.model.depth, config.model.mlp = 6, "plain(ratio=2.0)"
  config.data = ConfigDict(dict(tokenizer="characters()", valid="tail(fraction=0.1)"))
  config.data.source = "text(path='../shared/data/tinyshakespeare/input.txt.xz')"
  config.evaluate = ConfigDict(dict(every=25))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
