"""Mixture of experts: on data of clusters, experts that are not linear divide the clusters among
them and tell the classes; linear ones do not.

Paper:    Chen et al. 2022 (arXiv:2208.02813), table 1, setting 1, and the authors' notebooks.
Claim:    test accuracy 99.46 +- 0.55 % with cubic experts, 93.0 +- 2.1 % with linear ones; the
          entropy of an example's cluster, its expert known, 0.098 and 1.300 (log 4 is 1.386).
Data:     made by scripts/plugins/patch_experts.py: 16,000 examples to train on, as many to choose
          by and as many to test.
Command:  seqlab train --config=experiments/papers/patch_experts.py:cubic --workdir=runs/experts
          (or :linear); seqlab reproduce patch_experts
Time:     2 minutes a run of one CPU core.
Expected: accuracy at least 0.985 and 0.90 to 0.96, entropy at most 0.3 and at least 1.2, as the
          authors' notebooks compute it: an expert's share is its score of the router, noise and
          all, and the loss is the cross entropy of probabilities. As the paper has it, with
          probabilities as shares and the cross entropy of scores
          (--config.model.name="patch_experts(kind='linear', published=False)"), linear experts
          reached 0.979, 0.998 and 0.988 in three seeds.
"""

from ml_collections import ConfigDict

ARGUMENTS = ("cubic", "linear")
TEST = 'evaluate --data="patches(seed=2)"'
CLAIM = dict(
  says="cubic experts divide clusters among them and tell the classes, linear ones do not",
  source="Chen et al. 2022, table 1, setting 1",
  cost="6 minutes on 2 cores",
  seeds=(0, 1, 2),
  results=(
    dict(name="cubic experts", argument="cubic", metric="accuracy", published="0.9946 +- 0.0055",
         low=0.985, high=1.0, measure=TEST),
    dict(name="cubic experts, clusters", argument="cubic", metric="dispatch_entropy",
         published="0.098 +- 0.088", low=0.0, high=0.3, measure=TEST),
    dict(name="linear experts", argument="linear", metric="accuracy", published="0.930 +- 0.021",
         low=0.90, high=0.96, measure=TEST),
    dict(name="linear experts, clusters", argument="linear", metric="dispatch_entropy",
         published="1.300 +- 0.044", low=1.2, high=1.39, measure=TEST),
  ),
)  # fmt: skip


def get_config(kind="cubic"):
  config = ConfigDict()
  config.plugins = ("scripts/plugins/patch_experts.py",)
  config.objective = "dispatched()"
  config.model = ConfigDict(dict(name=f"patch_experts(kind='{kind}')"))
  config.data = ConfigDict(dict(source="patches()", valid="patches(seed=1)"))
  config.steps, config.batch, config.inner_steps = 500, 16000, 1  # every step reads all
  config.optimizer, config.lr, config.schedule = "normalised()", 1e-3, "constant()"
  config.rates, config.decay, config.clip = (("router", 100.0),), 0.0, 0.0
  config.evaluate = ConfigDict(dict(every=100))
  config.checkpoint = ConfigDict(dict(every=500))
  config.log = ConfigDict(dict(every=20, tensorboard=False))
  return config
