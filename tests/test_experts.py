"""Mixture of experts: every form equals all experts on all rows, its losses reach the router, its
FLOPs are those of the experts that are active.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab.errors import UserError
from seqlab.flops import count
from seqlab.laws import same_on_a_mesh
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Gated, Moe
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel
from seqlab.ops.backend import forced_backend, reference_forms
from seqlab.ops.experts import (
  BLOCK,
  expert_mixture,
  expert_mixture_naive,
  routed,
  routing_losses,
  with_loss,
)

D, F = 6, 10


def drawn(rows, experts, active, dtype=np.float64):
  draw = np.random.default_rng(rows)
  make = lambda *shape: jnp.asarray(draw.normal(size=shape), dtype)  # noqa: E731
  weights = make(experts, D, F), make(experts, D, F), make(experts, F, D)
  # The last expert is chosen by none, the first by most: groups are as uneven as they come.
  logits_NE = make(rows, experts) - 4.0 * jnp.arange(experts) / experts
  return make(rows, D), logits_NE.at[:, -1].set(-50 if active < experts else 0), *weights


def told(mixture, active):
  """A scalar that every output has a say in, with its gradients."""

  def scalar(x_ND, logits_NE, *weights):
    y_ND = mixture(x_ND, *routed(logits_NE, active), *weights, jax.nn.silu)
    return jnp.sum(jnp.sin(y_ND) * jnp.arange(1.0, 1 + y_ND.size).reshape(y_ND.shape)), y_ND

  return jax.jit(jax.value_and_grad(scalar, argnums=range(5), has_aux=True))


@pytest.mark.parametrize("rows, experts, active", [(1, 4, 2), (37, 4, 1), (3 * BLOCK, 3, 3)])
def test_every_form_equals_all_experts_on_all_rows(rows, experts, active):
  with jax.enable_x64(True):
    arguments = drawn(rows, experts, active)
    wanted = told(expert_mixture_naive, active)(*arguments)
    for place in ("cpu", "gpu"):
      with forced_backend(place):
        found = told(expert_mixture, active)(*arguments)
      for got, one in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, one, rtol=1e-9, atol=1e-9)


def test_half_precision_stays_near_and_keeps_its_dtypes():
  x_ND, logits_NE, *weights = drawn(64, 4, 2, np.float32)
  share_NA, expert_NA = routed(logits_NE, 2)
  half = expert_mixture(x_ND.astype(jnp.bfloat16), share_NA, expert_NA, *weights, jax.nn.silu)
  full = expert_mixture(x_ND, share_NA, expert_NA, *weights, jax.nn.silu)
  assert half.dtype == jnp.bfloat16
  assert float(jnp.max(jnp.abs(half - full))) < 0.05 * float(jnp.max(jnp.abs(full)))


def test_shares_are_of_all_experts_for_one_and_of_the_chosen_for_several():
  logits_NE = jnp.log(jnp.asarray([[0.5, 0.3, 0.2]]))
  share_NA, expert_NA = routed(logits_NE, 1)
  assert expert_NA.tolist() == [[0]] and share_NA.tolist() == [[pytest.approx(0.5)]]
  share_NA, expert_NA = routed(logits_NE, 2)
  assert expert_NA.tolist() == [[0, 1]]
  np.testing.assert_allclose(share_NA, [[0.625, 0.375]], rtol=1e-6)


def test_routing_losses_by_hand():
  logits_NE = jnp.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
  balance, z = routing_losses(logits_NE, jnp.asarray([[0], [0], [1]]))
  p = 1 / (1 + np.exp(-1.0))
  assert float(balance) == pytest.approx(2 * (2 / 3 * (2 * p + 1 - p) / 3 + 1 / 3 * (2 - p) / 3))
  assert float(z) == pytest.approx(np.log(np.e + 1) ** 2)
  even, _ = routing_losses(jnp.zeros((4, 4)), jnp.arange(4)[:, None])
  assert float(even) == pytest.approx(1)


def test_a_loss_inside_adds_its_gradient_and_changes_no_value():
  def inside(x, scale):
    return jnp.sum(with_loss(3.0 * x, scale * jnp.sum(x**2)))

  def summed(x, scale):
    return jnp.sum(3.0 * x) + scale * jnp.sum(x**2)

  x = jnp.arange(3.0)
  assert float(inside(x, 0.5)) == 9.0
  np.testing.assert_allclose(jax.grad(inside)(x, 0.5), jax.grad(summed)(x, 0.5))


def decoder(**options):
  layer = Layer(MIXERS["min_gru"](), Moe(experts=4, active=2, **options))
  return Decoder(vocab=8, width=8, depth=1, layers=(layer,))


def batch(rows):
  tokens = np.random.default_rng(0).integers(0, 8, (rows, 7)).astype(np.int32)
  pos = np.broadcast_to(np.arange(6, dtype=np.int32), (rows, 6))
  weight = np.ones((rows, 6), np.float32)
  return dict(tokens_BT=tokens[:, :-1], labels_BT=tokens[:, 1:], pos_BT=pos, weight_BT=weight)


def test_the_losses_even_out_the_choices():
  """From a router that sends all tokens to two experts, the balance loss alone brings in others."""
  module = Moe(experts=4, active=1, balance=1.0)
  x_BTD = jnp.abs(jnp.asarray(np.random.default_rng(0).normal(size=(2, 32, 8)), jnp.float32))
  params = module.init(jax.random.key(0), x_BTD)["params"]
  params["router_DE"] = params["router_DE"].at[:, 0].add(1.0)

  def choices(params):
    logits_NE = x_BTD.reshape(-1, 8) @ params["router_DE"]
    return np.bincount(routed(logits_NE, 1)[1].ravel(), minlength=4)

  @jax.jit
  def step(params):
    grads = jax.grad(lambda p: 0.0 * jnp.sum(module.apply({"params": p}, x_BTD)))(params)
    return jax.tree.map(lambda p, g: p - 0.3 * g, params, grads)

  assert max(choices(params)) == 64
  for _ in range(60):
    params = step(params)
  assert max(choices(params)) < 40


def test_choices_are_of_scores_that_no_device_rounds():
  """A GPU rounds float32 products to TensorFloat-32 unless asked not to."""
  layer, x_BTD = Moe(experts=4, active=2), jnp.zeros((1, 3, 8))
  params = jax.eval_shape(layer.init, jax.random.key(0), x_BTD)
  for place in ("cpu", "gpu"):
    with forced_backend(place):
      program = str(jax.make_jaxpr(layer.apply)(params, x_BTD))
    assert "HIGHEST" in program, place


def test_flops_are_those_of_the_active_experts():
  x_BTD = jax.ShapeDtypeStruct((2, 12, 24), jnp.float32)

  def products(module):
    with reference_forms():
      params = jax.eval_shape(module.init, jax.random.key(0), x_BTD)
      return count(lambda p, x: module.apply(p, x), params, x_BTD).products

  moe = products(Moe(experts=8, active=2, ratio=1.0))
  mixing = 2 * 24 * 2 * 24  # of the shares: a sum over two rows of 24
  router, half = 2 * 24 * 24 * 8, products(Gated(ratio=1.0))
  assert moe == 2 * half + router + mixing
  assert products(Moe(experts=16, active=2, ratio=1.0)) == moe + router


@pytest.mark.parametrize("sizes", [dict(data=4, tensor=2), dict(data=2, expert=4)], ids=str)
def test_experts_on_a_mesh_lose_what_one_device_loses(sizes):
  objective = LanguageModel(Network(decoder()))
  same_on_a_mesh(objective, batch(8), sizes, steps=3)


@pytest.mark.parametrize(
  "arguments, words",
  [
    (dict(experts=2, active=3), "active=3 of experts=2"),
    (dict(active=0), "active=0"),
    (dict(balance=-1.0), "balance=-1.0: the weight of a loss"),
    (dict(ratio=0.0), "ratio=0.0"),
    (dict(activation="gelo"), "did you mean 'gelu'"),
  ],
  ids=str,
)
def test_what_no_mixture_can_be_is_refused(arguments, words):
  with pytest.raises(UserError, match=words):
    Moe(**arguments).check(8)
