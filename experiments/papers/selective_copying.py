"""Selection: a state space whose parameters follow its input copies symbols out of noise, one whose
parameters do not cannot.

Paper:    Mamba (Gu and Dao 2023, arXiv:2312.00752), table 1: 16 symbols among 4,096, two layers of
          width 64, 400,000 steps at 1e-4. S4 without gates 18.3 %, S6 97.0 %, Mamba 99.8 %.
Claim:    the order of the three.
Data:     made: see docs/tasks.md. Reduced: 16 symbols among 256, 20,000 steps at 1e-3.
Command:  seqlab train --config=experiments/papers/selective_copying.py:mamba --workdir=runs/copying
          (or :s4d); seqlab reproduce selective_copying
Time:     10 minutes of one H200; one to two hours of two CPU cores.
Expected: Mamba at least 0.97, S4D at most 0.7, above guessing (0.07), on examples of their own.
"""

from ml_collections import ConfigDict

MIXERS = dict(mamba="mamba()", s4d="s4d(states=64)")
ARGUMENTS = tuple(MIXERS)
TEST = 'evaluate --data="selective_copying(length=256, count=1000)"'
CLAIM = dict(
  says="a selective state space copies symbols out of noise, one that is not selective cannot",
  source="Gu and Dao 2023, table 1",
  cost="10 minutes on an H200",
  wants="gpu",
  results=(
    dict(name="Mamba", argument="mamba", metric="accuracy", published="0.998", low=0.97, high=1.0,
         measure=TEST),
    dict(name="S4D", argument="s4d", metric="accuracy", published="0.183 to 0.564", low=0.1,
         high=0.7, measure=TEST),
  ),
)  # fmt: skip


def get_config(name="mamba"):
  config = ConfigDict()
  config.objective, config.length = "answers()", 272
  config.steps, config.batch, config.inner_steps = 20_000, 64, 100
  config.lr, config.schedule, config.decay = 1e-3, "constant(warmup=100)", 0.0
  config.model = ConfigDict(dict(width=64, depth=2, mixer=MIXERS[name], mlp="none()"))
  config.data = ConfigDict(dict(source="selective_copying(length=256, count=10000000)"))
  config.data.valid = "selective_copying(length=256, count=1000, seed=1)"
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
