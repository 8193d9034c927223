"""Six mixers on text that every Python installation carries, at equal training FLOPs.

What:     small decoders that read bytes of the standard library, each as wide as makes its training
          cost what that of attention costs, each at the best of three rates.
Data:     carried by Python itself, so the numbers depend on its version.
Command:  seqlab compare --config=experiments/compare_mixers.py --workdir=compared/mixers --jobs=2
          with --equal=parameters, state or data, --seeds=5, ...
Time:     about 14 minutes on 2 CPU cores.
Expected: loss with Python 3.11: lstm 1.801 +- 0.006, mamba2 1.823 +- 0.021, min_gru 1.856
          +- 0.007, gated_delta_net 2.00, rg_lru 2.05, attention 2.20. lstm and mamba2 are not told
          apart; the highest rate was best for all but attention. Counting three characters gives
          1.860, counting one 3.147; attention on shuffled text 3.216 +- 0.004.
"""

from ml_collections import ConfigDict

MIXERS = ("attention(heads=4)", "lstm()", "min_gru()", "rg_lru()", "mamba2()", "gated_delta_net()")


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length, config.inner_steps = 300, 16, 128, 10
  config.lr, config.schedule = 4e-3, "cosine(warmup=30, final=0.1)"
  config.model = ConfigDict(dict(width=64, depth=2, mixer=MIXERS[0], mlp="gated()"))
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bytes()"))
  config.evaluate = ConfigDict(dict(every=50, batches=40))
  config.checkpoint = ConfigDict(dict(every=150))
  config.log = ConfigDict(dict(every=20, tensorboard=False))
  return config


def get_architectures():
  return {mixer.partition("(")[0]: {"model.mixer": mixer} for mixer in MIXERS}
