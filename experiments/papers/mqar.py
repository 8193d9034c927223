"""Associative recall of many keys: attention and states that are written by outer products recall
them at width 64, where they fit.

Paper:    Zoology (Arora et al. 2023, arXiv:2312.04927, figure 2) and xLSTM (arXiv:2405.04517,
          appendix B.1.2): attention, Mamba and mLSTM solve (length, pairs) of (64, 4) and (128, 8)
          at every width from 64 on.
Claim:    so do attention, Mamba-2 and Gated DeltaNet here; RWKV-4 and Hyena fall short by 10
          points at least, as the figure has it for small widths. All have one learning rate, where
          the figure has the best of four.
Data:     made: see docs/tasks.md. Reduced: 1,024 symbols for 8,192, where 16 million scores a step
          would take most of the time.
Command:  seqlab train --config=experiments/papers/mqar.py:attention_64 --workdir=runs/mqar
          (or :hyena_128 and so on); seqlab reproduce mqar
Time:     2 minutes a run of one CPU core at (64, 4), 4 at (128, 8).
Expected: see CLAIM below; docs/results.md has what was measured.
"""

from ml_collections import ConfigDict

SIZES = {"64": 4, "128": 8}  # pairs by length
MIXERS = dict(
  attention="attention(heads=1)",
  mamba2="mamba2()",
  gated="gated_delta_net(heads=1)",
  rwkv4="rwkv4()",
  hyena="hyena(length={length})",
)
SOLVES = ("attention", "mamba2", "gated")
ARGUMENTS = tuple(f"{name}_{length}" for length in SIZES for name in MIXERS)
CLAIM = dict(
  says="attention, Mamba-2 and Gated DeltaNet recall every key at width 64",
  source="Zoology, figure 2; xLSTM, appendix B.1.2",
  cost="15 minutes on 2 cores",
  results=tuple(
    dict(
      name=argument.replace("_", ", length "),
      argument=argument,
      metric="accuracy",
      published="about 1" if argument.startswith(SOLVES) else "fails at small widths",
      low=0.99 if argument.startswith(SOLVES) else 0.0,
      high=1.0 if argument.startswith(SOLVES) else 0.9,
    )
    for argument in ARGUMENTS
  ),
)


def get_config(argument="attention_64"):
  name, _, length = argument.partition("_")
  task = f"mqar(pairs={SIZES[length]}, vocab=1024"
  config = ConfigDict()
  config.objective, config.length = "answers()", int(length)
  config.steps, config.batch, config.inner_steps = 2000, 64, 20
  config.lr, config.schedule = 3e-3, "cosine(warmup=200, final=0.01)"
  config.model = ConfigDict(
    dict(width=64, depth=2, mixer=MIXERS[name].format(length=length), mlp="none()")
  )
  config.data = ConfigDict(dict(source=f"{task}, count=100000)"))
  config.data.valid = f"{task}, length={length}, count=3000, seed=1)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  config.log = ConfigDict(dict(every=100, tensorboard=False))
  return config
