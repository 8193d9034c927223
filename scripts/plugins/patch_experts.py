"""A plugin: the patches, the mixture of experts, its measure and the optimizer of Chen et al. 2022
(arXiv:2208.02813), for experiments/papers/patch_experts.py.

It shows what a file of a user's may register: a source of arrays, a network of them, an objective,
an optimizer.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from seqlab import axes, build, networks
from seqlab.data.array_sources import ARRAY_SOURCES
from seqlab.data.table import Table
from seqlab.errors import UserError
from seqlab.leaves import path_of
from seqlab.models.network import Network
from seqlab.nn.layers import weight
from seqlab.objectives import OBJECTIVES
from seqlab.objectives.base import Batch, Metrics, content
from seqlab.objectives.classification import Classification
from seqlab.ops.dense import dense
from seqlab.optim import OPTIMIZERS

PATCHES, WIDTH, CLUSTERS = 4, 50, 4
BASIS = np.linalg.qr(np.random.default_rng(0).normal(size=(WIDTH, WIDTH)))[0]
FEATURES, CENTRES = BASIS[:CLUSTERS], BASIS[CLUSTERS : 2 * CLUSTERS]
KINDS = {"cubic": lambda x: x**3, "linear": lambda x: x}


def patches(config_key: str, count: int = 16000, seed: int = 0) -> Table:
  """Setting 1 (section 4 and definition 3.1): of four patches in a random order one is the class's
  sign of a cluster's feature, one its centre, one another cluster's feature of a random sign, one
  noise. Features and centres are the same for every seed.
  """
  draw = np.random.default_rng((1, seed))
  sign_B, cluster_B = draw.choice([-1, 1], count), draw.integers(CLUSTERS, size=count)
  other_B = (cluster_B + draw.integers(1, CLUSTERS, size=count)) % CLUSTERS
  strength = [draw.uniform(*ends, count)[:, None] for ends in ((0.5, 2), (1, 2), (0.5, 3))]
  x_BTD = np.stack([
    strength[0] * sign_B[:, None] * FEATURES[cluster_B],
    strength[1] * CENTRES[cluster_B],
    strength[2] * draw.choice([-1, 1], (count, 1)) * FEATURES[other_B],
    draw.normal(size=(count, WIDTH)) / np.sqrt(WIDTH),
  ], 1)  # fmt: skip
  x_BTD = 10 * _shuffled(x_BTD, draw)  # as the authors' code has it
  label_B = (sign_B > 0).astype(np.int32)
  return Table(
    {"x_BD": x_BTD.reshape(count, -1).astype(np.float32), "label_B": label_B}, ("-1", "+1")
  )


def _shuffled(x_BTD, draw):
  order_BT = np.argsort(draw.random(x_BTD.shape[:2]), 1)
  return np.take_along_axis(x_BTD, order_BT[..., None], 1)


def _apart(x_BD):
  return x_BD.reshape(len(x_BD), PATCHES, WIDTH)


class PatchExperts(nn.Module):
  """The expert that a linear router puts first reads each patch by its filters; half of them speak
  for each class.

  published: as the authors' notebooks have it, not the paper. An expert's share is its score of the
    router, noise and all, in tests too, in place of a probability, and the scores of the classes
    are probabilities already, so that the loss cannot fall below 0.313.
  """

  experts: int
  filters: int
  kind: str
  published: bool = True

  def setup(self) -> None:
    shape = self.experts, WIDTH, 2 * self.filters
    self.router_DE = self.param("router_DE", nn.initializers.zeros, (WIDTH, self.experts))
    self.filters_EDF = weight(self, "filters_EDF", shape, std=1e-3 / math.sqrt(3 * WIDTH))

  def __call__(self, x_BD: jax.Array, train: bool = False) -> jax.Array:
    logits_BE, tried_BE = self.routed(x_BD, train)
    share_BE = tried_BE if self.published else jax.nn.softmax(logits_BE)
    expert_B1 = jnp.argmax(tried_BE, -1, keepdims=True)
    y_BTEF = KINDS[self.kind](jnp.einsum("btd,edf->btef", _apart(x_BD), self.filters_EDF))
    y_BEC = y_BTEF.sum(1).reshape(len(x_BD), self.experts, 2, self.filters).sum(-1)
    y_BC = jnp.take_along_axis(y_BEC, expert_B1[..., None], 1)[:, 0]
    y_BC *= jnp.take_along_axis(share_BE, expert_B1, 1)
    return jax.nn.softmax(y_BC) if self.published else y_BC

  def routed(self, x_BD: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
    """The router's scores, and those by which an expert is chosen."""
    logits_BE = dense(_apart(x_BD), self.router_DE).sum(1)
    if train:  # so that experts that are nearly as good are tried
      return logits_BE, logits_BE + jax.random.uniform(self.make_rng("dropout"), logits_BE.shape)
    noisy = self.published
    return logits_BE, logits_BE + jax.vmap(self._noise)(content(x_BD)) if noisy else logits_BE

  def _noise(self, row: jax.Array) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(jax.random.key(0), row), (self.experts,))


class Dispatched(Classification):
  """Classification that also tells how experts divide clusters among them: `dispatch_entropy`, that
  of an example's cluster where its expert is known, in nats (section 5 of the paper): 0 where each
  expert is sent one cluster, 1.386 where each is sent all alike. It is of a batch, which is hence
  to hold the whole set.
  """

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    scalar, metrics, extra = super().loss(player, params, batch, key, extra)
    x_BD, weight_B = batch["x_BD"], batch["weight_B"]
    _, tried_BE = self.network(params[player], x_BD, method="routed")
    expert_BE = jax.nn.one_hot(tried_BE.argmax(-1), tried_BE.shape[-1])
    # a centre stands out of the patches of its cluster's examples
    cluster_B = jnp.max(_apart(x_BD) @ CENTRES.T, 1).argmax(-1)
    cluster_BC = jax.nn.one_hot(cluster_B, CLUSTERS) * weight_B[:, None]
    sent_EC = expert_BE.T @ cluster_BC
    share_EC = sent_EC / jnp.maximum(sent_EC.sum(1, keepdims=True), 1)
    entropy = -jnp.sum(sent_EC * jnp.log(jnp.where(sent_EC > 0, share_EC, 1)))
    return scalar, metrics | {"dispatch_entropy": (entropy, weight_B.sum())}, extra


def patch_experts(
  config, ends, experts: int = 8, filters: int = 8, kind: str = "cubic", published: bool = True
) -> Network:
  if kind not in KINDS or min(experts, filters) < 1:
    raise UserError("config.model.name: patch_experts() wants a kind of cubic or linear and sizes")
  return Network(PatchExperts(experts, filters, kind, published))


def normalised() -> optax.GradientTransformation:
  """The gradient of each expert over its norm; what has no experts, or one for each, stays."""

  def of(path, g):
    if not axes.letters(path_of(path)).startswith("E"):
      return g
    return g / (jnp.sqrt(jnp.sum(g**2, range(1, g.ndim), keepdims=True)) + 1e-12)

  return optax.stateless(lambda updates, params=None: jax.tree_util.tree_map_with_path(of, updates))


ARRAY_SOURCES["patches"] = patches
OPTIMIZERS["normalised"] = normalised
networks.NETWORKS["patch_experts"] = networks.OF_ARRAYS["patch_experts"] = patch_experts
networks.READS["patch_experts"] = ()
OBJECTIVES["dispatched"] = Dispatched
build.NETWORKS["classification"] += ("patch_experts",)
build.NETWORKS["dispatched"] = ("patch_experts",)
