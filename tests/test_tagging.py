"""Tagging: the loss by hand, the same on every mesh, and chains that keep the scheme."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from members import mixer

from seqlab import axes
from seqlab.data.tags import allowed, may_follow
from seqlab.laws import same_on_a_mesh
from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.models.tagger import Tagger
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.stack import Layer
from seqlab.objectives.tagging import Tagging
from seqlab.ops.crf import crf_nll

NAMES = ["B-A", "B-B", "I-A", "I-B", "O"]
WEIGHT_BT = np.array([[0, 1, 1, 0, 1, 1], [0, 1, 0, 1, 0, 0]], np.float32)


def decoder():
  layer = Layer(both_ways(mixer("attention(heads=2)")), Plain(ratio=2))
  return Decoder(vocab=20, width=16, depth=1, layers=(layer,))


def objective(crf):
  return Tagging(Network(Tagger(decoder(), len(NAMES), crf)), crf)


def batch(rows=2):
  random = np.random.default_rng(0)
  tokens_BT, tag_BT = (random.integers(0, n, (rows, 6)).astype(np.int32) for n in (20, 5))
  pos_BT = np.tile(np.arange(6, dtype=np.int32), (rows, 1))
  weight_BT = np.tile(WEIGHT_BT, (rows // 2, 1))
  return dict(tokens_BT=tokens_BT, pos_BT=pos_BT, tag_BT=tag_BT, weight_BT=weight_BT)


def drawn(crf):
  """The objective, and parameters of which none is zero."""
  made, b = objective(crf), batch()
  params = made.init(jax.random.key(0), b)
  noise = lambda p: p + 0.5 * jax.random.normal(jax.random.key(p.size), p.shape)  # noqa: E731
  return made, jax.tree.map(noise, params), b


@pytest.mark.parametrize("crf", [True, False])
def test_the_loss_is_in_nats_per_tag(crf):
  made, params, b = drawn(crf)
  scalar, metrics, _ = made.loss("model", params, b, None, {})
  emission_BTC = made.network(params["model"], b["tokens_BT"], b["pos_BT"])
  chain = made.network(params["model"], method="chain")
  if crf:
    wanted = crf_nll(emission_BTC, *chain, jnp.asarray(WEIGHT_BT > 0), b["tag_BT"]).sum()
  else:
    assert not any(np.asarray(part).any() for part in chain)
    logp_BTC = jax.nn.log_softmax(emission_BTC)
    nll_BT = -jnp.take_along_axis(logp_BTC, b["tag_BT"][..., None], 2)[..., 0]
    wanted = jnp.sum(nll_BT * WEIGHT_BT)
    right = (emission_BTC.argmax(-1) == b["tag_BT"]) * WEIGHT_BT
    assert float(metrics["accuracy"][0]) == right.sum()
  np.testing.assert_allclose(metrics["loss"][0], wanted, rtol=1e-5)
  assert float(metrics["loss"][1]) == WEIGHT_BT.sum() == 6
  np.testing.assert_allclose(scalar, wanted / 6, rtol=1e-5)


@pytest.mark.parametrize("crf", [True, False])
def test_what_is_predicted_keeps_the_scheme_and_is_the_best_that_does(crf):
  made, params, b = drawn(crf)
  follow_CC, first_C = allowed(NAMES)
  found_BT = np.asarray(made.predict(params, b, follow_CC, first_C))
  emission_BTC = made.network(params["model"], b["tokens_BT"], b["pos_BT"])
  transition_CC, start_C, end_C = made.network(params["model"], method="chain")

  def score(path, emission_TC):
    moves = sum(transition_CC[a, c] for a, c in itertools.pairwise(path))
    return start_C[path[0]] + emission_TC[range(len(path)), path].sum() + moves + end_C[path[-1]]

  for row, told_T in enumerate(WEIGHT_BT > 0):
    emission_TC = np.asarray(emission_BTC)[row][told_T]
    kept = [
      path
      for path in itertools.product(range(5), repeat=len(emission_TC))
      if all(
        may_follow(NAMES[a] if i else None, NAMES[c])
        for i, (a, c) in enumerate(itertools.pairwise((0, *path)))
      )
    ]
    transition_CC, start_C, end_C = map(np.asarray, (transition_CC, start_C, end_C))
    best = max(kept, key=lambda path: float(score(np.array(path), emission_TC)))
    assert tuple(found_BT[row][told_T]) == best


def test_losses_are_the_same_on_every_mesh():
  same_on_a_mesh(objective(True), batch(8), dict(data=2, fsdp=2, tensor=2), steps=2)


def test_the_chain_is_learned_does_not_decay_and_goes_by_the_decoders_names():
  made, params, b = drawn(True)
  grads = jax.grad(lambda p: made.loss("model", p, b, None, {})[0])(params)["model"]
  for name in ("transition_bias_CC", "start_bias_C", "end_bias_C", "tags_DC", "tags_bias_C"):
    assert np.asarray(grads[name]).any() and np.isfinite(grads[name]).all()
  for path, leaf in by_path(params["model"]).items():
    assert len(axes.letters(path)) == leaf.ndim
  assert [n for n in grads if axes.fan_in_axes(n) and "C" in axes.letters(n)] == ["tags_DC"]
  plain = Network(decoder()).init(jax.random.key(0), b["tokens_BT"], b["pos_BT"])
  assert by_path(plain).keys() < by_path(params["model"]).keys()
