"""How loss falls with training FLOPs, and which size each budget is best spent on: LSTMs on text.

What:     five widths at each of three budgets, three seeds at each of three rates in one program;
          runs of one budget have as many steps as make it up.
Data:     carried by Python itself, so the numbers depend on its version.
Command:  seqlab sweep run --config=experiments/scaling.py --workdir=sweeps/scaling --jobs=2
          and then seqlab scaling --workdir=sweeps/scaling --at=1e12
"""

from ml_collections import ConfigDict

WIDTHS, BUDGETS, DEPTH, ROWS, LENGTH = (16, 24, 32, 48, 64), (2e10, 8e10, 3.2e11), 2, 8, 128


def get_config():
  config = ConfigDict()
  config.steps, config.batch, config.length, config.inner_steps = 100, ROWS, LENGTH, 10
  config.seeds, config.lrs = 3, (4e-3, 1.2e-2, 3.6e-2)
  config.schedule = "cosine(warmup=10, final=0.1)"
  config.model = ConfigDict(dict(depth=DEPTH, mixer="lstm()", mlp="none()"))
  config.data = ConfigDict(dict(source="embedded()", tokenizer="bytes()"))
  config.evaluate = ConfigDict(dict(every=10_000, batches=40))
  config.checkpoint = ConfigDict(dict(every=1000))
  config.log = ConfigDict(dict(every=100, tensorboard=False))
  return config


def get_sweep(sweep):
  sizes = []
  for width in WIDTHS:
    # of each token: four gates of what a layer reads and carries, and 256 scores; three passes
    step = 3 * 2 * (DEPTH * 8 * width**2 + 256 * width) * ROWS * LENGTH
    steps = [round(budget / step) for budget in BUDGETS]
    sizes.append(sweep.product(sweep.over("model.width", [width]), sweep.over("steps", steps)))
  return sweep.chain(*sizes)
