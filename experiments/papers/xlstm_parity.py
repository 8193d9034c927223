"""What memory mixing is for: of xLSTM's two cells the one with recurrent weights learns parity.

Paper:    xLSTM (Beck et al. 2024, arXiv:2405.04517, appendix D.1), and the numbers of Grazzi et al.
          2025 (arXiv:2411.12537, table 3): trained on lengths 3 to 40, tested on 40 to 256.
Claim:    scaled accuracy, 0 for guessing: sLSTM 1.000, mLSTM 0.087 (best of three seeds).
Data:     made: see docs/tasks.md; the checkpoint that is tested is the one of the lowest loss on
          other rows of those lengths.
Command:  seqlab train --config=experiments/papers/xlstm_parity.py:slstm --workdir=runs/slstm
          (or :mlstm); seqlab reproduce xlstm_parity
Time:     5 minutes a run of one CPU core; batches are half the paper's, steps a seventh.
Expected: sLSTM at least 0.99, mLSTM at most 0.15: it learns parity at the lengths of training no
          more (its loss stays at log 2, in the seed that was looked at), nor do two of three seeds
          of sLSTM.
"""

from ml_collections import ConfigDict

CELLS = dict(slstm="slstm(heads=1, conv=0)", mlstm="mlstm(heads=1)")
ARGUMENTS = tuple(CELLS)
TEST = 'evaluate --data="parity(length=256, least=40, count=2048)"'
CLAIM = dict(
  says="sLSTM tells parity far beyond the lengths it was trained on, mLSTM guesses",
  source="Grazzi et al. 2025, table 3; Beck et al. 2024, appendix D.1",
  cost="15 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    dict(name="sLSTM", argument="slstm", metric="scaled_accuracy", published="1.000", low=0.99,
         high=1.0, over="max", measure=TEST),
    dict(name="mLSTM", argument="mlstm", metric="scaled_accuracy", published="0.087", low=-0.15,
         high=0.15, over="max", measure=TEST),
  ),
)  # fmt: skip


def get_config(cell="slstm"):
  config = ConfigDict()
  config.objective = "answers()"
  config.steps, config.batch, config.length, config.inner_steps = 3000, 128, 40, 50
  config.lr, config.schedule = 1e-3, "cosine(warmup=300, final=0.001)"
  config.model = ConfigDict(dict(width=64, depth=2, mixer=CELLS[cell]))
  config.model.mlp = "none()"
  config.data = ConfigDict(dict(source="parity(least=3, count=10000000)"))
  config.data.valid = "parity(length=256, least=40, count=1000)"
  config.evaluate = ConfigDict(dict(every=1000))
  config.checkpoint = ConfigDict(dict(every=1000))
  config.log = ConfigDict(dict(every=100, tensorboard=False))
  return config
