"""Griffin's two synthetic tasks: recurrent blocks with or without local attention go on copying
beyond the lengths that they were trained on, global attention does not.

Paper:    De 2024 (arXiv:2402.19427), section 6.2 and figure 6: five blocks; selective copying of
          16 of 1,024 tokens, induction heads at length 256.
Claim:    all three solve the lengths that they were trained on; on induction heads Hawk goes on to
          any length, Griffin nearly so, and attention with rotary positions does not.
Data:     made: see docs/tasks.md.
Command:  seqlab train --config=experiments/papers/griffin_recall.py:hawk --workdir=runs/hawk
          (or :griffin, :attention, and :hawk_copying and so on); seqlab reproduce griffin_recall
Time:     10 minutes of one H200, by its FLOPs; hours of two CPU cores.
Expected: copying at least 0.99 for all; induction at 8 times the length at least 0.95 for Hawk and
          Griffin, at most 0.6 for attention.
"""

from ml_collections import ConfigDict

LOCAL = "attention(heads=4, kv_heads=1, window=128)"
MIXERS = dict(
  hawk="rg_lru()",
  griffin=f"rg_lru() | rg_lru() | {LOCAL} | rg_lru() | rg_lru()",
  attention="attention(heads=4, kv_heads=1)",
)
ARGUMENTS = (*MIXERS, *(f"{name}_copying" for name in MIXERS))
COPIED = 'evaluate --data="selective_copying(length=1024, count=1000)"'
FAR = 'evaluate --data="induction_heads(length=2048, count=512)" --batch=16'


def _result(argument):
  name, copying = argument.partition("_")[::2]
  falls = name == "attention" and not copying
  return dict(
    name=f"{name}, {'selective copying' if copying else 'induction at 8 times the length'}",
    argument=argument,
    metric="accuracy",
    published="falls behind" if falls else "about 1",
    low=0.0 if falls else 0.99 if copying else 0.95,
    high=0.6 if falls else 1.0,
    measure=COPIED if copying else FAR,
  )


NEAR = dict(
  name="attention, induction at the length of training", argument="attention", metric="accuracy",
  published="about 1", low=0.99, high=1.0,
  measure='evaluate --data="induction_heads(length=256, count=512)"',
)  # fmt: skip
CLAIM = dict(
  says="recurrent blocks, alone or with local attention, tell inductions longer than in training",
  source="De 2024, section 6.2",
  cost="10 minutes on an H200",
  wants="gpu",
  results=(*map(_result, ARGUMENTS), NEAR),
)


def get_config(argument="hawk"):
  name, copying = argument.partition("_")[::2]
  config = ConfigDict()
  config.objective, config.batch, config.inner_steps = "answers()", 64, 100
  config.steps, config.length = (50_000, 1040) if copying else (20_000, 256)
  config.lr, config.schedule = 1e-3, "cosine(warmup=500)"
  config.model = ConfigDict(dict(width=64, depth=5, mixer=MIXERS[name], mlp="gated()"))
  task = "selective_copying(length=1024" if copying else "induction_heads(letters=16"
  config.data = ConfigDict(dict(source=f"{task}, count=10000000)"))
  config.data.valid = f"{task}, count=1000, seed=1)"
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
