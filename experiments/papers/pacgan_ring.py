"""Modes that a generator misses, and packing against it, at a reduced size.

Paper:    PacGAN (arXiv:1712.04086), table 1: eight normal distributions on a ring, 10 runs.
Claim:    a GAN finds 6.3 +- 0.5 of 8 modes; where the discriminator judges two samples at once,
          7.9 +- 0.1.
Reduced:  generator of 2 x 128 batch-normalised units, not 4 x 400; discriminator of 3 x 64 maxout
          units of 5, not 3 x 200; 10,000 steps at a rate of 3e-4, not 400,000 at 1e-4. Adam with
          b1=0.8 and 100 packs a step as published (the authors' code); the players take turns,
          where theirs move at once. Modes are counted on 2,500 samples, as theirs.
Command:  seqlab train --config=experiments/papers/pacgan_ring.py:1 --workdir=runs/gan
          seqlab evaluate --workdir=runs/gan
          (:2 packs two); seqlab reproduce pacgan_ring
Time:     1 minute a run on 2 CPU cores.
Expected: 7.5 modes and more with packing, fewer than 7.3 without, in the mean of three runs.
"""

from ml_collections import ConfigDict

CLAIM = dict(
  says="packing two samples keeps a GAN from losing modes of a ring of eight (reduced size)",
  source="PacGAN (arXiv:1712.04086), table 1",
  cost="6 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    dict(name="GAN", argument="1", metric="modes", published="6.3 +- 0.5", low=5.0, high=7.3),
    dict(name="PacGAN2", argument="2", metric="modes", published="7.9 +- 0.1", low=7.5, high=8.0),
  ),
)


def get_config(packing="1"):
  config = ConfigDict()
  config.objective = f"adversarial(packing={packing})"
  network = "gan(latent=2, hidden=(128, 128), critic_hidden=(64, 64, 64), pieces=5)"
  config.model = ConfigDict(dict(name=network))
  config.data = ConfigDict(dict(source="ring()"))
  config.steps, config.batch, config.inner_steps = 10_000, 100 * int(packing), 50
  config.lr, config.schedule, config.optimizer = 3e-4, "constant()", "adamw(b1=0.8, b2=0.999)"
  config.decay = config.clip = 0.0
  config.evaluate = ConfigDict(dict(every=2000, batches=1))
  config.checkpoint = ConfigDict(dict(every=10_000))
  return config
