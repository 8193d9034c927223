"""The variational autoencoder of flax's example on MNIST.

Paper:    Kingma & Welling 2014 (arXiv:1312.6114); google/flax, examples/vae: 784-500-20-500-784,
          Adam 1e-3, batch 128, grey pixels as targets.
Claim:    test loss "around 104" after its epochs; 105.5 after 10.
Data:     MNIST, 60,000 images to train on; the 10,000 test images as the validation set.
Command:  seqlab train --config=experiments/papers/vae_mnist.py --workdir=runs/vae
          seqlab sample --workdir=runs/vae
          or, with its bounds checked: seqlab reproduce vae_mnist
Time:     1 minute a seed on 2 CPU cores.
Expected: 105.5 +- 1.0 nats; pictures of samples, reconstructions and latent numbers in
          runs/vae/pictures.
"""

from ml_collections import ConfigDict

DATA = "../shared/data/mnist"
CLAIM = dict(
  says="a VAE of 20 latent numbers tells MNIST's test images at 105.5 nats after 10 epochs",
  source="google/flax examples/vae (README: around 104 after its own epochs)",
  cost="3 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    dict(
      name="test loss",
      metric="loss",
      published="105.5 after 10 epochs",
      low=104.5,
      high=106.5,
      measure="evaluate --step=latest",
    ),
  ),
)


def get_config():
  config = ConfigDict()
  config.objective = "variational()"
  config.model = ConfigDict(dict(name="vae(latent=20, hidden=(500,))"))
  config.data = ConfigDict()
  config.data.source, config.data.valid = (
    f"idx(path='{DATA}/{part}-images-idx3-ubyte.gz', labels='{DATA}/{part}-labels-idx1-ubyte.gz')"
    for part in ("train", "t10k")
  )
  config.steps, config.batch, config.inner_steps = 4690, 128, 10
  config.lr, config.schedule, config.optimizer = 1e-3, "constant()", "adamw(b2=0.999)"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=938))
  config.checkpoint = ConfigDict(dict(every=938))
  return config
