"""What layers note of their attention, and how `seqlab attention` numbers them (its pictures are
tested in test_command_generate.py).
"""

import types

import jax
import numpy as np
import pytest
from drawn import drawn
from members import mixer
from test_sequence_to_sequence import EOT, SOURCES, TARGETS, network, packed

from seqlab import maps
from seqlab.config import load
from seqlab.errors import UserError
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel, SequenceToSequence

TOKENS = np.array([[EOT, 1, 2, EOT, 3]], np.int32)
POS = np.array([[0, 1, 2, 0, 1]], np.int32)


def decoder(depth, *layers, **options):
  return Network(Decoder(vocab=8, width=8, depth=depth, layers=layers, **options))


@pytest.mark.parametrize("unroll", [0, 1])
def test_weights_of_a_decoder_are_its_formula(unroll, monkeypatch):
  """Of the second block of the first repetition, from the parameters alone; the tail has none."""
  gru = Layer(mixer("gru()"), None)
  attending = Layer(mixer("attention(heads=2, positions='none')"), Plain(ratio=2))
  net = decoder(5, gru, attending, unroll=unroll)
  params = drawn(net.init, TOKENS, POS)
  layers = params["stack"]["layers_L"]
  params["final_norm"]["scale_D"] = layers["block1"]["mixer_norm"]["scale_D"][0]
  notes = jax.jit(net.noted)(params, TOKENS, POS)
  (weights_LBHTS,) = (notes.pop("stack/layers_L/block1/mixer/weights_BHTS"),)
  assert weights_LBHTS.shape == (2, 1, 2, 5, 5)
  assert all(path.endswith("/x_BTD") for path in notes), "beside them blocks' outputs alone"

  below = dict(layers_L=dict(block0=jax.tree.map(lambda x: x[:1], layers["block0"])))
  # What the attention reads: the final norm of the layers below stands for the norm of its block.
  x_BTD, _ = jax.jit(decoder(1, gru))({**params, "stack": below}, TOKENS, POS)
  read = layers["block1"]["mixer"]
  q, k = (np.einsum("btd,dhk->bhtk", x_BTD, read[f"{name}_DHK"][0]) for name in "qk")
  t, s = np.mgrid[:5, :5]
  seen = (s <= t) & ((s < 3) == (t < 3))
  want = np.where(seen, np.exp(np.einsum("bhtk,bhsk->bhts", q, k) / 2), 0)  # heads of 4
  np.testing.assert_allclose(weights_LBHTS[0], want / want.sum(-1, keepdims=True), atol=1e-5)

  run = types.SimpleNamespace(
    folder="runs/x",
    config=load("", ["model.depth=5", "model.mixer=gru() | attention()"]),
    objective=LanguageModel(net),
    writer=params,
  )
  layers = maps.weights(run, dict(tokens_BT=TOKENS, pos_BT=POS), "mixer")
  assert list(layers) == ["layer 1", "layer 3"]
  np.testing.assert_allclose(layers["layer 3"], weights_LBHTS[1, 0], atol=1e-6)
  with pytest.raises(UserError, match="has no attention to draw"):
    maps.weights(run, dict(tokens_BT=TOKENS, pos_BT=POS), "cross")

  def never(*arguments, **options):
    raise AssertionError("weights for nobody")

  monkeypatch.setattr("seqlab.nn.mixers.attention.attention_weights", never)
  jax.eval_shape(net, params, TOKENS, POS)


@pytest.mark.parametrize("attention", ["dot", "additive"])
def test_weights_over_sources_stay_in_their_pair(attention):
  net = network("gru()", attention=attention, depth=1)
  batch = packed(SOURCES, TARGETS, 12)
  inputs = SequenceToSequence(net).inputs(batch)
  params = drawn(net.init, *inputs)
  notes = jax.jit(net.noted)(params, *inputs)
  weights_HTS = notes["stack/layers_L/block0/cross/weights_BHTS"][0, 0]
  assert weights_HTS.shape == (2 if attention == "dot" else 1, 12, 12)
  own_TS = batch["pair_BT"][0][:, None] == batch["source_pair_BS"][0]
  assert (np.asarray(weights_HTS > 0) == own_TS).all() and own_TS.any()
  np.testing.assert_allclose(weights_HTS.sum(-1), [own_TS.any(1)] * len(weights_HTS), atol=1e-5)
