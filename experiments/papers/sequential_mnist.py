"""Sequential MNIST: digits read pixel by pixel, in rows or in one random order.

Paper:    S4 (Gu 2022, arXiv:2111.00396, table 7) 99.63 % and permuted 98.70 %; S5 (Smith 2023,
          arXiv:2208.04933, table 4) 99.65 and 98.67 %; a vanilla RNN 21.5 and 25.3 % (Bai 2018,
          arXiv:1803.01271, table 1).
Claim:    linear recurrences remember 784 pixels, a vanilla network does not.
Data:     MNIST, ../shared/data/mnist.
Command:  seqlab train --config=experiments/papers/sequential_mnist.py:s5 --workdir=runs/smnist
          (or :s5_permuted, :lru, :lru_permuted, :rnn); seqlab reproduce sequential_mnist
Time:     5 to 8 minutes a run of one H200, by its FLOPs; five hours of two CPU cores.
Expected: at least 0.993, permuted 0.975; the RNN at most 0.6.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/mnist"
MIXERS = dict(s5="s5(hidden=128)", lru="lru(hidden=128, low=0.9, high=0.999)", rnn="rnn()")
PUBLISHED = dict(s5="0.9965", s5_permuted="0.9867", lru="0.996, of S4", rnn="0.215",
                 lru_permuted="0.987, of S4")  # fmt: skip
ARGUMENTS = tuple(PUBLISHED)


def _result(argument):
  low = 0.0 if argument == "rnn" else 0.975 if argument.endswith("permuted") else 0.993
  high = 0.6 if argument == "rnn" else 1.0
  return dict(
    name=argument.replace("_", ", "), argument=argument, metric="accuracy", low=low, high=high,
    published=PUBLISHED[argument], measure="evaluate --step=latest",
  )  # fmt: skip


CLAIM = dict(
  says="linear recurrences read digits pixel by pixel, a vanilla network forgets them",
  source="Smith 2023, table 4; Gu 2022, table 7; Bai 2018, table 1",
  cost="40 minutes on an H200",
  wants="gpu",
  results=tuple(map(_result, ARGUMENTS)),
)


def get_config(argument="s5"):
  name, permuted = argument.partition("_")[::2]
  config = ConfigDict()
  config.objective = "classification()"
  config.steps, config.batch, config.inner_steps = 20 * 468, 128, 39  # 20 epochs
  config.lr, config.schedule, config.decay = 4e-3, "cosine(warmup=468, final=0.0)", 0.05
  # what says how a state decays and turns learns slowly
  config.rates = (("mixer/(step|shrink|turn|nu|theta|gamma)_", 0.25),) * (name != "rnn")
  config.model = ConfigDict(dict(name=f"reader(permuted={bool(permuted)})", width=128, depth=4))
  config.model.mixer, config.model.mlp, config.model.dropout = MIXERS[name], "gated()", 0.1
  config.data = ConfigDict()
  for key, part in dict(source="train", valid="t10k").items():
    files = f"'{DATA}/{part}-images-idx3-ubyte.gz', labels='{DATA}/{part}-labels-idx1-ubyte.gz'"
    config.data[key] = f"idx(path={files})"
  config.evaluate = ConfigDict(dict(every=468))
  config.checkpoint = ConfigDict(dict(every=468))
  return config
