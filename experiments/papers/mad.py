"""Mechanistic architecture design: what a mixer recalls, copies and learns by heart foretells what
it is worth at scale.

Paper:    MAD (Poli 2024, arXiv:2403.17844) and DeltaNet (Yang 2024, arXiv:2406.06484, table 1,
          means over settings of difficulty): recall / noisy / fuzzy / copying / memorization /
          compression of Transformer 94.1 / 86.8 / 29.8 / 99.6 / 85.2 / 51.6 and of DeltaNet 100 /
          100 / 35.7 / 100 / 52.8 / 42.2.
Claim:    at the base setting DeltaNet recalls everything, and learns less by heart than a
          Transformer does, by 15 points at least.
Data:     made: see docs/tasks.md; 12,800 examples, 256 to learn by heart, 1,280 to test.
Command:  seqlab train --config=experiments/papers/mad.py:delta_net_recall --workdir=runs/mad
          (or :attention_memorization and so on); seqlab reproduce mad
Time:     a minute a run of one H200; four hours of two CPU cores each.
Expected: DeltaNet at least 0.99 on recall and noisy recall, attention at least 0.9; the published
          means are over all settings and are not claimed, nor are fuzzy recall, which is another
          task here, and compression, of which the paper claims nothing.
"""

from ml_collections import ConfigDict

MIXERS = dict(delta_net="delta_net(heads=4)", attention="attention(heads=16)")
TASKS = dict(
  recall=("in_context_recall(vocab=16", 128),
  noisy=("in_context_recall(vocab=16, noise=0.2", 128),
  fuzzy=("fuzzy_recall(vocab=16", 128),
  copying=("selective_copying(tokens=16, letters=14, length=240", 256),
  memorization=("memorization(vocab=256", 32),
  compression=("compression(vocab=16", 32),
)
WANTED = dict(
  delta_net=dict(recall=(0.99, 1), noisy=(0.99, 1), copying=(0.97, 1), memorization=(0, 0.7)),
  attention=dict(recall=(0.9, 1), noisy=(0.8, 1), copying=(0.97, 1), memorization=(0.85, 1)),
)
PUBLISHED = dict(
  delta_net=dict(recall="1.00", noisy="1.00", copying="1.00", memorization="0.528"),
  attention=dict(recall="0.941", noisy="0.868", copying="0.996", memorization="0.852"),
)
ARGUMENTS = tuple(f"{mixer}_{task}" for mixer in MIXERS for task in TASKS)


def _result(mixer, task):
  low, high = WANTED[mixer][task]
  return dict(name=f"{mixer}, {task}", argument=f"{mixer}_{task}", metric="accuracy", low=low,
              high=high, published=PUBLISHED[mixer][task],
              measure=f'evaluate --data="{TASKS[task][0]}, count=1280)"')  # fmt: skip


CLAIM = dict(
  says="DeltaNet recalls everything and learns less by heart than a Transformer",
  source="Yang 2024, table 1; Poli 2024",
  cost="10 minutes on an H200",
  wants="gpu",
  results=tuple(_result(mixer, task) for mixer in MIXERS for task in WANTED[mixer]),
)


def get_config(argument="delta_net_recall"):
  mixer, _, name = argument.rpartition("_")
  task, length = TASKS[name]
  config = ConfigDict()
  config.objective, config.length = "answers()", length
  count = 256 if name == "memorization" else 12_800
  config.steps, config.batch, config.inner_steps = 200 * count // 128, 128, 100  # 200 epochs
  config.lr, config.schedule, config.decay = 5e-4, "cosine(final=0.002)", 0.1
  config.model = ConfigDict(dict(width=128, depth=2, mixer=MIXERS[mixer], mlp="gated()"))
  if name == "compression":
    config.model.name = "compressor"
  config.data = ConfigDict(dict(source=f"{task}, count={count})"))
  config.data.valid = f"{task}, count=1280, seed=1)"
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  return config
