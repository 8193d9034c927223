"""GPT-2 small, 124M parameters, trained from scratch.

Paper:    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; the settings
          of karpathy/nanoGPT's train_gpt2.py: 600k steps of half a million tokens, there 480 x
          1024, here 512 x 1024, which powers of two of devices divide.
Command:  seqlab train --config=experiments/gpt2_124m.py --workdir=runs/gpt2 \\
            --config.data.source="jsonl(path='openwebtext/*.jsonl.gz')" \\
            --config.data.tokenizer="file(path='gpt2/tokenizer.json')"
          The default source is the embedded one, so that the file runs as it is.
Time:     GPU or TPU: about 4 days on 8 A100 (nanoGPT's figure); one step on a CPU takes minutes.
Expected: 2.85 nats on OpenWebText's validation set (nanoGPT's README); not run here.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length, config.accumulate = 600_000, 512, 1024, 32
  config.lr = 6e-4
  config.schedule = "cosine(warmup=2000, final=0.1)"
  config.optimizer = "adamw(b2=0.95)"
  config.decay = 0.1
  config.model = ConfigDict(dict(name="decoder(std=0.02)"))
  config.model.width, config.model.depth = 768, 12
  config.model.mixer = "attention(heads=12, positions='none')"
  config.model.mlp = "plain(ratio=4.0)"
  config.model.norm = "layer"
  config.model.learned_positions = True
  config.model.vocab = 50304
  config.model.dtype = "bfloat16"
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bpe(vocab=50257)"))
  config.evaluate = ConfigDict(dict(every=1000, batches=20))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
