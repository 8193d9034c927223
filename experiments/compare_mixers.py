"""Six mixers on text that every Python installation carries, at equal training FLOPs.

What:     small decoders that read bytes of the standard library, each as wide as makes its training
          cost what that of attention costs, each at the best of three rates.
Data:     carried by Python itself, so the numbers depend on its version.
Command:  seqlab compare --config=experiments/compare_mixers.py --workdir=compared/mixers --jobs=2
          with --equal=parameters, state or data, --seeds=5, ...
Time:     14 to 18 minutes on 2 CPU cores.
Expected: loss with Python 3.11: lstm 1.791 +- 0.037, mamba2 1.829 +- 0.035, min_gru 1.871 +- 0.037,
          gated_delta_net 1.974 +- 0.046, rg_lru 2.003 +- 0.007, attention 2.150 +- 0.103; the first
          three are not told apart. The highest rate, 0.024, was best for all but attention; at
          0.012 (--lrs=0.012) seeds lie closer (lstm 1.801 +- 0.006, mamba2 1.823 +- 0.021,
          min_gru 1.856 +- 0.007) and means differ little. Counting three characters gives 1.860,
          counting one 3.147; attention on shuffled text 3.217 +- 0.003.
"""

from ml_collections import ConfigDict

MIXERS = ("attention(heads=4)", "lstm()", "min_gru()", "rg_lru()", "mamba2()", "gated_delta_net()")


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length, config.inner_steps = 300, 16, 128, 10
  config.lr, config.schedule = 8e-3, "cosine(warmup=30, final=0.1)"
  config.model = ConfigDict(dict(width=64, depth=2, mixer=MIXERS[0], mlp="gated()"))
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bytes()"))
  config.evaluate = ConfigDict(dict(every=50, batches=40))
  config.checkpoint = ConfigDict(dict(every=150))
  config.log = ConfigDict(dict(every=20, tensorboard=False))
  return config


def get_architectures():
  return {mixer.partition("(")[0]: {"model.mixer": mixer} for mixer in MIXERS}
