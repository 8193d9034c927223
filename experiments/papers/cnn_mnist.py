"""The convolutional network of flax's example on MNIST.

Paper:    google/flax, examples/mnist: convolutions of 32 and 64 channels, a dense layer of 256; SGD
          0.1 with momentum 0.9, batch 128, 10 epochs.
Claim:    99.17 % of the test images.
Data:     MNIST, 60,000 images to train on; the 10,000 test images as the validation set.
Command:  seqlab train --config=experiments/papers/cnn_mnist.py --workdir=runs/cnn
          (or :mlp for a dense network); seqlab reproduce cnn_mnist
Time:     8 minutes on 2 CPU cores; mlp 1.
Expected: 99.0 % and more; mlp 98 %.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/mnist"
CLAIM = dict(
  says="a small convolutional network tells MNIST's digits",
  source="google/flax examples/mnist (README)",
  cost="8 minutes on 2 cores",
  results=(
    dict(
      name="test accuracy",
      metric="accuracy",
      published="0.9917",
      low=0.99,
      high=1.0,
      measure="evaluate --step=latest",
    ),
  ),
)
ARGUMENTS = ("cnn", "mlp")


def get_config(network="cnn"):
  config = ConfigDict()
  config.objective = "classification()"
  config.model = ConfigDict(dict(name=f"{network}()"))
  config.data = ConfigDict()
  config.data.source, config.data.valid = (
    f"idx(path='{DATA}/{part}-images-idx3-ubyte.gz', labels='{DATA}/{part}-labels-idx1-ubyte.gz')"
    for part in ("train", "t10k")
  )
  config.steps, config.batch = 4690, 128
  config.lr, config.schedule, config.optimizer = 0.1, "constant()", "sgd(momentum=0.9)"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=469))
  config.checkpoint = ConfigDict(dict(every=469))
  return config
