"""Teacher forcing below 1: the network reads what it would have written, and learns in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_sequence_to_sequence import EOT, SOURCES, TARGETS, VOCAB, packed

from seqlab.objectives import SequenceToSequence
from seqlab.ops.cross_entropy import likeliest

KEY, IDS = jax.random.key(4), VOCAB - 2  # end-of-text and padding may not be written here


class Toy:
  """A network as an objective sees one, which reads all tokens so far."""

  def __call__(self, params, tokens_BT=None, *_, key=None, method=""):
    if method == "unembedding":
      return params["head_VD"]
    return jnp.cumsum(jnp.sin(params["embed_VD"][tokens_BT]), 1), None


@pytest.fixture(scope="module")
def model():
  draw = np.random.default_rng(0)
  params = {name: draw.normal(size=(VOCAB, 4)).astype("f4") for name in ("embed_VD", "head_VD")}
  return Toy(), {"model": params}, packed(SOURCES, TARGETS, 16)


def written(model):
  """What the network says in place of each token of the targets, told by the whole logits."""
  net, params, batch = model
  x_BTD, _ = net(params["model"], batch["tokens_BT"])
  said = np.asarray(x_BTD @ params["model"]["head_VD"].T)[0, :, :IDS].argmax(-1)
  tokens, at = batch["tokens_BT"].copy(), 0
  for target in TARGETS:
    size = len(target) + 1
    tokens[0, at + 1 : at + size] = said[at : at + size - 1]  # the first is end-of-text and stays
    at += size
  return tokens


def test_what_is_read_is_what_would_be_written(model):
  net, params, batch = model
  replaced = written(model)
  assert (replaced != batch["tokens_BT"]).sum() >= 4 and (replaced == EOT).sum() >= len(TARGETS)

  @jax.jit
  def gradients(params, replaced):
    def gradient(batch, **options):
      one = SequenceToSequence(net, ids=IDS, **options)
      return jax.grad(lambda p: one.loss("model", p, batch, KEY, {})[0])(params)

    return gradient(batch, teacher_forcing=0.0), gradient(batch | {"tokens_BT": replaced})

  compare = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6)  # noqa: E731
  jax.tree.map(compare, *gradients(params, replaced))


def test_a_share_is_read_so_and_none_in_evaluation(model):
  net, params, batch = model

  @jax.jit
  def read(key, turns):
    half = SequenceToSequence(net, teacher_forcing=0.25, warmup=8, ids=IDS)
    made, extra = half._written(params["model"], batch, key, {"turns": turns})
    return made["tokens_BT"], extra["turns"]

  replaced, true = written(model), batch["tokens_BT"]
  differ = replaced != true
  for turns, rate in ((0, 0.0), (4, 0.375), (8, 0.75), (99, 0.75)):
    found = [read(key, turns) for key in jax.random.split(KEY, 60)]
    tokens = np.concatenate([x for x, _ in found])
    assert ((tokens == replaced) | (tokens == true)).all() and found[0][1] == turns + 1
    assert abs((tokens == replaced)[:, differ[0]].mean() - rate) < 0.1
  plain, sampled = (SequenceToSequence(net, teacher_forcing=rate) for rate in (1.0, 0.0))
  assert plain.init_extra(1) == sampled.init_extra(1) == {}
  graph = lambda one, key: str(  # noqa: E731
    jax.make_jaxpr(lambda p: one.loss("model", p, batch, key, {})[0])(params)
  )
  assert graph(sampled, None) == graph(plain, None), "evaluation reads what is true"
  assert graph(SequenceToSequence(net), KEY) == graph(plain, KEY) != graph(sampled, KEY)


def test_the_likeliest_in_chunks():
  draw = np.random.default_rng(0)
  x, head = draw.normal(size=(2, 7, 3)), draw.normal(size=(5, 3))
  wanted = (x @ head.T).argmax(-1)
  for chunk in (3, 7):
    np.testing.assert_array_equal(likeliest(jnp.asarray(x), jnp.asarray(head), chunk), wanted)
