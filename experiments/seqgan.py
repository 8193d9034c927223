"""SeqGAN: a language model trained by a game against a discriminator of texts, from where maximum
likelihood left it; judged by the oracle that the texts are from.

Paper:    SeqGAN (arXiv:1609.05473), section 4: 8.74 nats a token under the oracle against 9.04 of
          maximum likelihood.
Data:     as experiments/papers/seqgan_mle.py.
Command:  seqlab train --config=experiments/papers/seqgan_mle.py --workdir=runs/seqgan_mle
          seqlab train --config=experiments/seqgan.py --workdir=runs/seqgan
          seqlab evaluate --workdir=runs/seqgan --step=latest
          (:gumbel learns through a Gumbel softmax in place of rewards)
Time:     10 minutes on 2 CPU cores.
Expected: seen, from a start of 8.88: 10.13 after 150 steps and 10.10 after 200. Between norms
          beside a residual stream, as the network was before, 8.92 and 9.02, and at a sixth of its
          rate 8.89 after 50. None is the paper's gain; it trains the discriminator for 15 epochs
          between two steps of the generator, here it has 5 batches. One seed, not tuned.
"""

from ml_collections import ConfigDict

PATH = "../shared/data/seqgan_oracle/target_params.npz"
ARGUMENTS = ("gumbel",)


def get_config(kind=""):
  config = ConfigDict()
  how = dict(gumbel="gumbel=1.0").get(kind, "rollouts=4")
  config.objective, config.length = f"sequence_adversarial(critic=5, {how})", 21
  config.model = ConfigDict(dict(width=32, depth=1, mixer="lstm(forget_bias=0.0)", mlp="none()"))
  config.model.norm, config.model.residual, config.model.tied = "none", False, False
  config.model.name = "sequence_gan(windows=(2, 3, 4, 5), channels=64)"
  config.init = ConfigDict(dict(path="runs/seqgan_mle"))
  config.data = ConfigDict(dict(tokenizer="words(min_count=1)"))
  config.data.source = f"oracle(path='{PATH}', count=10000)"
  config.data.valid = f"oracle(path='{PATH}', count=1000, seed=1)"
  config.steps, config.batch = 200, 64
  config.lr, config.schedule, config.optimizer = 1e-3, "constant()", "adamw(b2=0.999)"
  config.rates = (("generator/", 0.3),)  # a step of rewards is noisy
  config.decay, config.clip = 0.0, 5.0
  config.evaluate = ConfigDict(dict(every=50))
  config.checkpoint = ConfigDict(dict(every=50))
  return config
