"""nanoGPT on tiny Shakespeare, character level.

Paper:    karpathy/nanoGPT, README, "quick start" (config/train_shakespeare_char.py and its CPU
          settings).
Claim:    validation loss 1.88 nats with the CPU settings (over 20 random batches), 1.4697 with the
          GPU settings.
Data:     karpathy/char-rnn's input.txt, 1,115,394 characters; the last 10% are the validation text.
Command:  seqlab train --config=experiments/papers/nanogpt_shakespeare.py --workdir=runs/nanogpt
          seqlab train --config=experiments/papers/nanogpt_shakespeare.py:gpu \\
            --workdir=runs/nanogpt_gpu
          Any mixer in the same place: --config.model.name=decoder --config.model.mixer="lstm()",
          "min_gru() | attention(heads=4)", ...
Time:     cpu: about 2 minutes on 2 cores; gpu: a few minutes on one GPU.
Expected: cpu: 1.85 to 1.92 nats over the whole validation text after 2,000 steps, from GPT-2's
          first weights; from seqlab's, by their fan-in (--config.model.name=decoder), 1.77.
"""

from ml_collections import ConfigDict

CLAIM = dict(
  says="a Transformer of 4 blocks on the characters of tiny Shakespeare, 2,000 steps",
  source="karpathy/nanoGPT, README (CPU settings)",
  cost="2 minutes on 2 cores",
  results=(
    dict(
      name="validation loss",
      metric="loss",
      published="1.88 nats",
      low=1.85,
      high=1.92,
      measure="evaluate --step=latest",
    ),
  ),
)
ARGUMENTS = ("cpu", "gpu")


def get_config(setting="cpu"):
  config = ConfigDict()
  config.model = ConfigDict(dict(name="decoder(std=0.02)", norm="layer", mlp="plain()"))
  config.data = ConfigDict()
  config.data.source = "text(path='../shared/data/tinyshakespeare/input.txt.xz')"
  config.data.tokenizer = "characters()"
  config.data.valid = "tail(fraction=0.1)"
  config.optimizer = "adamw(b1=0.9, b2=0.99)"
  config.schedule = "cosine(warmup=100, final=0.1)"
  config.lr = 1e-3
  config.decay = 0.1
  config.clip = 1.0
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  if setting == "cpu":
    config.steps, config.batch, config.length = 2000, 12, 64
    config.model.width, config.model.depth = 128, 4
    config.model.mixer = "attention(heads=4, positions='none')"
    config.model.learned_positions = True
  else:
    config.steps, config.batch, config.length = 5000, 64, 256
    config.model.width, config.model.depth, config.model.dropout = 384, 6, 0.2
    config.model.mixer = "attention(heads=6, positions='none')"
    config.model.learned_positions = True
    config.model.dtype = "bfloat16"
  return config
