"""Regular languages: recurrent networks count beyond the lengths they were trained on, Transformers
do not.

Paper:    Deletang et al. 2023 (arXiv:2207.02098), tables 1 and B.1: best of ten seeds, three
          learning rates and a million steps.
Claim:    trained on lengths 1 to 40, an RNN and an LSTM are right on lengths 41 to 100 of parity
          and of cycle navigation (100 %); a Transformer guesses (52.0 % and 61.9 %).
Data:     made: see docs/tasks.md; the checkpoint that is tested is the one of the lowest loss on
          other rows of those lengths.
Command:  seqlab train --config=experiments/papers/chomsky.py:parity_lstm --workdir=runs/parity
          (or :cycle_rnn, :parity_transformer and so on); seqlab reproduce chomsky
Time:     one to five minutes a run of one CPU core; steps are a three hundredth of the paper's and
          fewer, seeds three, the best of them counts.
Expected: 1.00 for RNN and LSTM, at most 0.65 for the Transformer, which does learn the circle at
          the lengths of training: 0.7 there, where guessing gives 0.2. Parity it does not learn at
          those, either (0.52 to 0.54 in three seeds), so that of generalising nothing is shown.
"""

from ml_collections import ConfigDict

TASKS = dict(parity="parity", cycle="cycle_navigation")
NETWORKS = dict(rnn="rnn()", lstm="lstm()", transformer="attention(heads=4)")
ARGUMENTS = tuple(f"{task}_{network}" for task in TASKS for network in NETWORKS)
PUBLISHED = dict(parity_transformer="0.520", cycle_transformer="0.619")


def _result(argument):
  transformer = argument.endswith("transformer")
  task = TASKS[argument.partition("_")[0]]
  return dict(
    name=argument.replace("_", ", "),
    argument=argument,
    metric="accuracy",
    published=PUBLISHED.get(argument, "1.000"),
    low=0.0 if transformer else 0.99,
    high=0.65 if transformer else 1.0,
    over="max",
    measure=f'evaluate --data="{task}(length=100, least=41, count=2000)"',
  )


CLAIM = dict(
  says="recurrent networks tell parity and positions on a circle at lengths never seen; a "
  "Transformer learns next to nothing of parity at the lengths of training, either",
  source="Deletang et al. 2023, table B.1",
  cost="25 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    *map(_result, ARGUMENTS),
    dict(
      name="cycle, transformer, lengths of training",
      argument="cycle_transformer",
      metric="accuracy",
      published="learned",
      low=0.7,
      high=1.0,
      over="max",
      measure='evaluate --data="cycle_navigation(length=40, least=1, count=2000)"',
    ),
  ),
)


def get_config(argument="parity_lstm"):
  name, _, network = argument.partition("_")
  task, transformer = TASKS[name], network == "transformer"
  config = ConfigDict()
  config.objective = "answers()"
  config.steps = 3000 if argument == "cycle_rnn" else 2000  # the RNN is slow to see the circle
  config.batch, config.length, config.inner_steps = 128, 40, 50
  config.lr, config.schedule, config.decay = 1e-3, "constant()", 0.0
  config.model = ConfigDict(dict(width=64 if transformer else 128, depth=2 if transformer else 1))
  config.model.mixer = NETWORKS[network]
  config.model.mlp = "plain()" if transformer else "none()"
  config.data = ConfigDict(dict(source=f"{task}(least=1, count=10000000)"))
  config.data.valid = f"{task}(length=100, least=41, count=2000)"
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=1000))
  config.log = ConfigDict(dict(every=100, tensorboard=False))
  return config
