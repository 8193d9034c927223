"""Width transfer: under muP what moves inside a Transformer in its first steps has one size at
every width; under the standard parametrisation it grows.

Paper:    Yang and Hu et al. 2022 (arXiv:2203.03466), table 8 and the coordinate checks of figure 5
          and appendix D.1.
Claim:    block outputs and scores move by amounts that do not depend on the width (slope 0 of log
          size against log width).
Data:     tiny Shakespeare, characters.
Command:  seqlab train --config=experiments/papers/mup.py:mup --workdir=runs/mup
          seqlab coordinates --workdir=runs/mup --widths=64,128,256,512 --steps=4 --seeds=3
          (or :standard); seqlab reproduce mup
Time:     3 minutes of one CPU core.
Expected: slopes within 0.1 of 0 under muP; above 0.3 without.
"""

from ml_collections import ConfigDict

ARGUMENTS = ("mup", "standard")
CHECK = "coordinates --widths=64,128,256,512 --steps=4 --seeds=3"
CLAIM = dict(
  says="under muP what moves in a Transformer's first steps has one size at every width",
  source="Yang and Hu et al. 2022, figure 5 and appendix D.1",
  cost="3 minutes on 2 cores",
  results=(
    dict(name="steepest slope, muP", argument="mup", metric="steepest", published="0", low=-0.1,
         high=0.1, measure=CHECK),
    dict(name="steepest slope, standard", argument="standard", metric="steepest",
         published="above 0", low=0.3, high=3, measure=CHECK),
  ),
)  # fmt: skip


def get_config(way="mup"):
  config = ConfigDict()
  config.steps, config.batch, config.length = 100, 16, 64
  config.lr, config.schedule, config.optimizer = 2e-3, "constant()", "adamw()"
  config.decay, config.clip = 0.0, 0.0
  config.model = ConfigDict(dict(width=64, depth=4, mixer="attention(heads=4)", mlp="plain()"))
  config.init = ConfigDict(dict(adapt="mup(base=64)" * (way == "mup")))
  config.data = ConfigDict(dict(tokenizer="characters()", valid="tail(fraction=0.1)"))
  config.data.source = "text(path='../shared/data/tinyshakespeare/input.txt.xz')"
  config.evaluate = ConfigDict(dict(every=100, batches=20))
  return config
