"""A generator of digits: a small DCGAN on MNIST.

Source:   DCGAN (arXiv:1511.06434): transposed convolutions and batch norm in the generator, strided
          convolutions and leaky activations in the discriminator, Adam with b1=0.5.
Data:     MNIST, 60,000 images.
Command:  seqlab train --config=experiments/gan_mnist.py --workdir=runs/gan_mnist
          (:conditional is told which digit to make)
          seqlab sample --workdir=runs/gan_mnist --samples=100
          seqlab train --config=experiments/papers/cnn_mnist.py --workdir=runs/cnn
          seqlab evaluate --workdir=runs/gan_mnist --classifier=runs/cnn
Time:     29 minutes of one CPU core.
Expected: digits in runs/gan_mnist/pictures/samples, most of them legible, drawn by the average of
          the generator's parameters. A classifier of 99.2 % finds all ten classes among 10,000
          samples, with a mean confidence of 0.90, at a Fréchet distance of 15 in its own features
          (the VAE of papers/vae_mnist.py: 0.83 and 38; the GAN after 4,000 steps and without the
          average: 0.86 and 47).
"""

from ml_collections import ConfigDict

DATA = "../shared/data/mnist"
ARGUMENTS = ("conditional",)


def get_config(kind=""):
  config = ConfigDict()
  config.objective = "adversarial()"
  conditional = ", conditional=True" if kind == "conditional" else ""
  config.model = ConfigDict(dict(name=f"gan(latent=64, channels=(32, 64){conditional})"))
  config.data = ConfigDict()
  config.data.source, config.data.valid = (
    f"idx(path='{DATA}/{part}-images-idx3-ubyte.gz', labels='{DATA}/{part}-labels-idx1-ubyte.gz')"
    for part in ("train", "t10k")
  )
  config.steps, config.batch, config.inner_steps = 15000, 64, 10
  config.lr, config.schedule, config.optimizer = 2e-4, "constant()", "adamw(b1=0.5, b2=0.999)"
  config.decay, config.clip, config.ema = 0.0, 0.0, 0.999
  config.evaluate = ConfigDict(dict(every=2500, batches=10))
  config.checkpoint = ConfigDict(dict(every=5000))
  return config
