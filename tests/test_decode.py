"""Decoding: one program for prompts of any length, draws as defined, text that stays whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from members import mixer

from seqlab.decode import Decoding, Draw, choose
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.stack import Layer
from seqlab.sample import Stops

VOCAB, EOT = 11, 10


@pytest.fixture(scope="module")
def model():
  layers = tuple(
    Layer(mixer(spec), Plain(ratio=2))
    for spec in ("attention(heads=2, window=5)", "attention(heads=2)", "lstm()")
  )
  network = Network(Decoder(vocab=VOCAB + 5, width=16, depth=3, layers=layers))
  tokens_BT = jnp.zeros((1, 4), jnp.int32)
  return network, network.init(jax.random.key(3), tokens_BT, tokens_BT)


def written(decoding, params, prompts, tokens, seed=0):
  rows = [
    np.concatenate(pieces) for pieces in zip(*decoding(params, prompts, tokens, seed), strict=True)
  ]
  return [row.tolist() for row in rows]


def prompts():
  draw = np.random.default_rng(0)
  return [np.concatenate([[EOT], draw.integers(0, EOT, n)]).astype(np.int32) for n in (0, 3, 9)]


def test_greedy_is_what_the_whole_sequence_gives(model):
  """The naive way: run everything again for each token."""
  network, params = model
  decoding = Decoding(network, Draw(temperature=0), eot=EOT, ids=VOCAB, chunk=4)
  got = written(decoding, params, prompts(), 12)
  forward = jax.jit(
    lambda t: network(params, network(params, t, jnp.arange(24)[None], None)[0], method="logits")
  )
  for ids, new in zip(prompts(), got, strict=True):
    ids = ids.tolist()
    for _ in range(12):
      padded = np.zeros((1, 24), np.int32)
      padded[0, : len(ids)] = ids
      token = int(np.argmax(np.asarray(forward(padded))[0, len(ids) - 1, :VOCAB]))
      if token == EOT:
        break
      ids.append(token)
    assert new == ids[len(ids) - len(new) :] and len(ids) - len(new) == len(
      prompts()[got.index(new)]
    )


def test_a_row_does_not_depend_on_the_rows_beside_it(model):
  network, params = model
  decoding = Decoding(network, Draw(temperature=1.5), eot=EOT, ids=VOCAB, chunk=4)
  together = written(decoding, params, prompts(), 10)
  alone = written(decoding, params, prompts()[:1], 10)
  assert together[0] == alone[0]


def test_seed_and_chunk(model):
  network, params = model
  draw = Draw(temperature=2.0)
  first = written(
    Decoding(network, draw, eot=EOT, ids=VOCAB, chunk=4), params, prompts(), 10, seed=1
  )
  assert first == written(
    Decoding(network, draw, eot=EOT, ids=VOCAB, chunk=7), params, prompts(), 10, seed=1
  )
  assert first != written(
    Decoding(network, draw, eot=EOT, ids=VOCAB, chunk=4), params, prompts(), 10, seed=2
  )
  assert all(token < VOCAB for row in first for token in row)


def test_silent_ids_are_never_drawn(model):
  network, params = model
  decoding = Decoding(network, Draw(temperature=9.0), eot=EOT, ids=VOCAB, silent=(1, 4), chunk=8)
  ids = {token for row in written(decoding, params, prompts(), 100) for token in row}
  assert {0, 2, 3} <= ids and not ids & {1, 4, *range(VOCAB, VOCAB + 5)}


def test_end_of_text_is_no_repetition(model):
  """Every prompt begins with it, and an unlikely end would be a text that never ends."""
  network, params = model
  x_BTD, _ = network(params, jnp.array([[EOT]]), jnp.zeros((1, 1), jnp.int32), None)
  scores = np.asarray(network(params, x_BTD, method="logits"))[0, 0, :VOCAB]
  others = [i for i in np.argsort(scores)[::-1].tolist() if i != EOT]
  likelier = [i for i in others if scores[i] > scores[EOT]]
  draw = Draw(temperature=0, repetition_penalty=1e6)
  decoding = Decoding(network, draw, eot=EOT, ids=VOCAB, silent=likelier, chunk=4)
  assert written(decoding, params, [np.array([EOT])], 3) == [[]], "the end was the likeliest"


def drawn(logits, draw, seen=(), count=400):
  logits_BV = jnp.tile(jnp.log(jnp.asarray(logits)), (count, 1))
  seen_BV = jnp.zeros(logits_BV.shape, bool).at[:, jnp.asarray(seen, int)].set(True)
  keys_B = jax.random.split(jax.random.key(0), count)
  return set(np.asarray(choose(logits_BV, seen_BV, keys_B, draw)).tolist())


@pytest.mark.parametrize(
  ("draw", "seen", "possible"),
  [
    (Draw(), (), {0, 1, 2, 3}),
    (Draw(temperature=0), (), {0}),
    (Draw(top_k=2), (), {0, 1}),
    (Draw(top_p=0.5), (), {0}),
    (Draw(top_p=0.51), (), {0, 1}),
    (Draw(top_p=0.85), (), {0, 1, 2}),
    (Draw(min_p=0.45), (), {0, 1}),
    (Draw(temperature=0, repetition_penalty=3.0), (0,), {1}),
    (Draw(top_k=3, min_p=0.45), (), {0, 1}),
  ],
)
def test_choose(draw, seen, possible):
  assert drawn([0.5, 0.25, 0.15, 0.1], draw, seen) == possible


def test_temperature_flattens():
  logits_BV = jnp.tile(jnp.log(jnp.asarray([0.8, 0.2])), (2000, 1))
  seen_BV, keys_B = jnp.zeros((2000, 2), bool), jax.random.split(jax.random.key(0), 2000)
  cold, hot = (
    np.asarray(choose(logits_BV, seen_BV, keys_B, Draw(temperature=t))).mean() for t in (0.5, 2.0)
  )
  assert abs(cold - 0.04 / 0.68) < 0.03 and abs(hot - 1 / 3) < 0.04


def test_stops_hold_back_what_may_become_one():
  stops = Stops(["END", "\n\n"])
  assert stops.push("a E") == "a "
  assert stops.push("N") == ""
  assert stops.push("x\n") == "ENx"
  assert not stops.ended
  assert stops.push("\nmore") == ""
  assert stops.ended and stops.push("after") == "" and stops.finish() == ""
  held = Stops(["END"])
  assert held.push("the E") + held.finish() == "the E"
