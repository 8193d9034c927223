"""Autoencoders of 30 numbers on MNIST: linear, deep, convolutional, denoising.

Paper:    Hinton & Salakhutdinov 2006: 30 principal components leave a squared error of 13.87 per
          test image, a deep autoencoder (784-1000-500-250-30) 3.00 after pretraining it layer by
          layer, which is not done here.
Data:     MNIST, 60,000 images to train on; the 10,000 test images as the validation set.
Command:  seqlab train --config=experiments/papers/autoencoder_mnist.py:linear --workdir=runs/linear
          (or :deep, :convolutional, :denoising); seqlab reproduce autoencoder_mnist
Time:     linear 1 minute on 2 CPU cores, deep 6, convolutional and denoising a few.
Expected: linear 13.87 to 14.1, as principal components are the best that it can be; deep below 7.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/mnist"
CLAIM = dict(
  says="an autoencoder of 30 numbers finds MNIST's principal components, a deep one far more",
  source="Hinton & Salakhutdinov 2006",
  cost="8 minutes on 2 cores",
  results=(
    dict(
      name="linear",
      argument="linear",
      metric="loss",
      published="13.87 (PCA)",
      low=13.86,
      high=14.1,
      measure="evaluate --step=latest",
    ),
    dict(
      name="deep",
      argument="deep",
      metric="loss",
      published="3.00, pretrained by layers",
      low=3.0,
      high=7.0,
      measure="evaluate --step=latest",
    ),
  ),
)
NETWORKS = dict(
  linear="autoencoder(latent=30)",
  deep="autoencoder(latent=30, hidden=(1000, 500, 250))",
  convolutional="autoencoder(latent=30, channels=(16, 32))",
  denoising="autoencoder(latent=30, hidden=(1000, 500, 250))",
)
ARGUMENTS = tuple(NETWORKS)


def get_config(kind="linear"):
  config = ConfigDict()
  config.objective = "autoencoding(noise=0.3)" if kind == "denoising" else "autoencoding()"
  config.model = ConfigDict(dict(name=NETWORKS[kind]))
  config.data = ConfigDict()
  config.data.source, config.data.valid = (
    f"idx(path='{DATA}/{part}-images-idx3-ubyte.gz', labels='{DATA}/{part}-labels-idx1-ubyte.gz')"
    for part in ("train", "t10k")
  )
  config.steps, config.batch, config.inner_steps = 15000, 128, 10
  config.lr, config.schedule = 1e-3, "cosine(final=0.0)"
  config.optimizer = "adamw(b2=0.999)"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=3000))
  config.checkpoint = ConfigDict(dict(every=3000))
  return config
