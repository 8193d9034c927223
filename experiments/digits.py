"""Small digits without a download: a classifier, an autoencoder, a VAE, a GAN.

Data:     scikit-learn's 1,797 digits of 8 x 8 pixels, a fifth of them held out.
Command:  seqlab train --config=experiments/digits.py --workdir=runs/digits
          seqlab train --config=experiments/digits.py:vae --workdir=runs/vae
          (:cnn, :autoencoder and :gan in the same way)
          seqlab sample --workdir=runs/vae --samples=100
Time:     under a minute each on 2 CPU cores.
Expected: mlp and cnn 97 % and more of the held-out digits; pictures in runs/vae/pictures.
"""

from ml_collections import ConfigDict

KINDS = dict(
  mlp=("classification()", "mlp(hidden=(128,))"),
  cnn=("classification()", "cnn(channels=(16, 32), hidden=(64,))"),
  autoencoder=("autoencoding()", "autoencoder(latent=8, hidden=(64,))"),
  vae=("variational(warmup=500)", "vae(latent=8, hidden=(128,))"),
  gan=("adversarial()", "gan(latent=16, channels=(16, 32))"),
)
ARGUMENTS = tuple(KINDS)


def get_config(kind="mlp"):
  config = ConfigDict()
  objective, network = KINDS[kind]
  config.objective, config.model = objective, ConfigDict(dict(name=network))
  config.data = ConfigDict(dict(source="digits()", valid="hash(fraction=0.2)"))
  config.steps, config.batch, config.inner_steps = 2000, 64, 10
  config.lr, config.schedule, config.optimizer = 1e-3, "constant()", "adamw(b2=0.999)"
  if kind == "gan":
    config.lr, config.optimizer = 2e-4, "adamw(b1=0.5, b2=0.999)"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=500))
  config.checkpoint = ConfigDict(dict(every=500))
  return config
