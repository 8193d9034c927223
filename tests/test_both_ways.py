"""Encoders: every mixer read both ways, and what a masked language model hides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from members import SPECS, mixer

from seqlab.laws import same_on_a_mesh
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.bidirectional import Bidirectional, both_ways, from_the_end
from seqlab.nn.stack import Layer
from seqlab.objectives.masked_language_model import MaskedLanguageModel, hide

DOCUMENTS = ((5, 4, 3), (12,))
POS_BT = jnp.asarray([[i for n in row for i in range(n)] for row in DOCUMENTS], jnp.int32)


def inputs(spec):
  member = both_ways(mixer(spec))
  x_BTD = jax.random.normal(jax.random.key(0), (2, 12, 16))
  params = member.init(jax.random.key(1), x_BTD, POS_BT)
  noise = lambda p: p + 0.1 * jax.random.normal(jax.random.key(p.size), p.shape)  # noqa: E731
  return member, jax.tree.map(noise, params), x_BTD


FAR = [spec for spec in SPECS if spec.partition("(")[0] in ("attention", "gru", "lstm", "min_gru")]


@pytest.mark.parametrize("spec", [*FAR, "linear_attention()", "hyena(filter_width=8)"])
def test_a_token_sees_its_document_on_both_sides_and_nothing_else(spec):
  member, params, x_BTD = inputs(spec)

  @jax.jit
  def reach(x_BTD):
    weight_D = jax.random.normal(jax.random.key(2), (16,))
    y = lambda x: member.apply(params, x, POS_BT)[0] @ weight_D  # noqa: E731
    return jnp.abs(jax.jacobian(y)(x_BTD)).sum(-1)  # [B, T, B, S]

  seen = np.asarray(reach(x_BTD)) > 0
  document = np.cumsum(np.asarray(POS_BT) == 0, 1)
  same = document[:, :, None] == document[:, None, :]
  distance = abs(np.arange(12)[:, None] - np.arange(12))
  window = getattr(member, "window", 0) or 12
  for row in range(2):
    assert (seen[row, :, row] == (same[row] & (distance < window))).all()
  assert not seen[0, :, 1].any()


@pytest.mark.parametrize("spec", ["attention(heads=4)", "lstm()", "min_gru()"])
def test_a_packed_document_is_read_as_if_alone(spec):
  member, params, x_BTD = inputs(spec)
  packed_BTD, none = member.apply(params, x_BTD, POS_BT)
  assert none is None
  at = 0
  for size in DOCUMENTS[0]:
    here = (slice(0, 1), slice(at, at + size))
    alone_BTD, _ = member.apply(params, x_BTD[here], POS_BT[here])
    np.testing.assert_allclose(packed_BTD[here], alone_BTD, atol=2e-5)
    at += size


def test_a_users_own_attention_keeps_its_code_both_ways():
  class Zero(Attention):
    gain: float = 2.0

    def _attend(self, q_BHTK, *rest):
      return 0 * q_BHTK, None

  x_BTD = jax.random.normal(jax.random.key(0), (2, 12, 16))
  member = both_ways(Zero(heads=2))
  y_BTD, _ = member.apply(member.init(jax.random.key(1), x_BTD, POS_BT), x_BTD, POS_BT)
  assert isinstance(member, Bidirectional) and not y_BTD.any()


def test_a_mixer_both_ways_has_no_state():
  for spec in ("attention(heads=4)", "gru()"):
    with pytest.raises(TypeError, match="has no state"):
      both_ways(mixer(spec)).init_state(1, 16, 4)


def test_places_from_the_end_of_a_document():
  pos_BT = jnp.asarray([[0, 1, 2, 0, 1, 0], [3, 4, 0, 0, 0, 1]])
  wanted = [[2, 1, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0]]
  np.testing.assert_array_equal(from_the_end(pos_BT), wanted)


def test_hidden_tokens_are_as_many_and_of_the_kinds_that_bert_says():
  tokens_BT = jax.random.randint(jax.random.key(0), (64, 512), 2, 50)
  text_BT = jnp.arange(512) < 400
  text_BT = jnp.broadcast_to(text_BT, tokens_BT.shape)
  shown_BT, chosen_BT = hide(tokens_BT, text_BT, jax.random.key(1), 0.15, ids=50, pad=1)
  assert not chosen_BT[:, 400:].any() and (shown_BT == tokens_BT)[~chosen_BT].all()
  assert abs(float(chosen_BT[:, :400].mean()) - 0.15) < 0.01
  shown, were = np.asarray(shown_BT)[chosen_BT], np.asarray(tokens_BT)[chosen_BT]
  assert abs((shown == 1).mean() - 0.8 - 0.1 / 50) < 0.02
  assert abs((shown == were).mean() - 0.1 - 0.1 / 50) < 0.02
  again_BT, _ = hide(tokens_BT, text_BT, jax.random.key(2), 0.15, ids=50, pad=1)
  assert (again_BT != shown_BT).any(), "every step hides others"


def test_what_an_evaluation_hides_does_not_depend_on_the_batch_around_it():
  tokens_BT = jax.random.randint(jax.random.key(0), (4, 32), 2, 50)
  text_BT = jnp.ones(tokens_BT.shape, bool)
  whole = hide(tokens_BT, text_BT, None, 0.3, ids=50, pad=1)
  alone = hide(tokens_BT[2:3], text_BT[2:3], None, 0.3, ids=50, pad=1)
  for a, b in zip(whole, alone, strict=True):
    np.testing.assert_array_equal(a[2:3], b)
  assert len(np.unique(np.asarray(whole[1]), axis=0)) == 4, "rows hide different places"


def test_masked_losses_are_the_same_on_every_mesh():
  layers = tuple(
    Layer(both_ways(mixer(spec)), Plain(ratio=2)) for spec in ("attention(heads=2)", "gru()")
  )
  network = Network(Decoder(vocab=24, width=16, depth=2, layers=layers))
  objective = MaskedLanguageModel(network, ids=18, pad=19, eot=18, rate=0.4)
  tokens_BT = np.random.default_rng(0).integers(0, 18, (8, 12)).astype(np.int32)
  pos_BT = np.tile(POS_BT[:1], (8, 1))
  batch = dict(tokens_BT=tokens_BT, pos_BT=pos_BT, weight_BT=np.ones((8, 12), np.float32))
  same_on_a_mesh(objective, batch, dict(data=2, fsdp=2, tensor=2))


def test_the_masked_loss_is_of_the_hidden_tokens_by_hand():
  layers = (Layer(both_ways(mixer("attention(heads=2)")), Plain(ratio=2)),)
  network = Network(Decoder(vocab=20, width=16, depth=1, layers=layers))
  objective = MaskedLanguageModel(network, ids=18, pad=19, eot=18, rate=0.4)
  tokens_BT = jax.random.randint(jax.random.key(0), (2, 12), 0, 18).at[:, 0].set(18)
  batch = dict(tokens_BT=tokens_BT, pos_BT=POS_BT, weight_BT=jnp.ones((2, 12)))
  params = objective.init(jax.random.key(1), batch)
  scalar, metrics, _ = objective.loss("model", params, batch, None, {})
  shown_BT, chosen_BT = hide(tokens_BT, tokens_BT != 18, None, 0.4, 18, 19)
  assert not chosen_BT[:, 0].any(), "end-of-text is never hidden"
  x_BTD, _ = network(params["model"], shown_BT, POS_BT)
  logp_BTV = jax.nn.log_softmax(network(params["model"], x_BTD, method="logits"))
  nll_BT = -jnp.take_along_axis(logp_BTV, tokens_BT[..., None], 2)[..., 0]
  wanted = float(jnp.sum(nll_BT * chosen_BT))
  np.testing.assert_allclose(metrics["loss"][0], wanted, rtol=1e-5)
  np.testing.assert_allclose(scalar, wanted / float(chosen_BT.sum()), rtol=1e-5)
