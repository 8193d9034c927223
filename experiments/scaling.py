"""How loss falls with training FLOPs, and which size each budget is best spent on: LSTMs on text.

What:     five widths at each of three budgets, three seeds at each of three rates in one program;
          runs of one budget have as many steps as make it up.
Data:     carried by Python itself, so the numbers depend on its version.
Command:  seqlab sweep run --config=experiments/scaling.py --workdir=sweeps/scaling --jobs=2
          and then seqlab scaling --workdir=sweeps/scaling --at=1e12
Time:     30 minutes of one CPU core (two run at a time; measured beside other work).
Expected: with Python 3.11 the best runs of the budgets have losses of 2.32, 2.08 and 1.83, which
          fall as FLOPs^-0.085 [0.079, 0.089] above a floor of 0 (three budgets do not tell one):
          1.67 [1.65, 1.70] at 1e12. Against parameters and tokens loss = 0.55 + parameters^-0.15
          [0.10, 0.23] + data^-0.30 [0.27, 0.33]. At 2e10 FLOPs the smallest is best, at 8e10
          9,500 parameters, at 3.2e11 33,000.
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
