"""Which recurrent network of 200,000 parameters reads text best, at which rate: an adaptive search.

What:     gated recurrences one to four deep, at rates over two orders of magnitude, with dropout;
          27 points chosen one after another, of which one in three goes on at each of two rungs.
Data:     carried by Python itself, so the numbers depend on its version.
Command:  seqlab sweep run --config=experiments/search_recurrent.py --workdir=sweeps/gated --jobs=2
          and then seqlab sweep report --workdir=sweeps/gated
Time:     about 10 minutes on 2 CPU cores.
Expected: with Python 3.11 a GRU three deep at a rate of 0.012 with little dropout, loss 1.509 after
          900 steps; six of 27 get there, 14 to the second rung, so that 37% of all steps are made.
          What is tried depends on which trials end first, so another run has other points.
"""

from ml_collections import ConfigDict


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length, config.inner_steps = 900, 16, 128, 10
  config.schedule = "cosine(warmup=50, final=0.1)"
  config.model = ConfigDict(dict(parameters=200_000, depth=2, mixer="lstm()", mlp="none()"))
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bytes()"))
  config.evaluate = ConfigDict(dict(every=100, batches=40))
  config.checkpoint = ConfigDict(dict(every=300))
  config.log = ConfigDict(dict(every=50, tensorboard=False))
  return config


def get_search(space):
  return dict(
    space={
      "lr": space.log_uniform(1e-3, 1e-1),
      "model.mixer": space.choice("lstm()", "gru()", "min_gru()"),
      "model.depth": space.integer(1, 4),
      "model.dropout": space.uniform(0.0, 0.3),
    },
    trials=27,
    rungs=(100, 300),
  )
