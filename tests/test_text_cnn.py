"""The convolutional classifier of texts, and the sources that came with it."""

import jax
import numpy as np
import pytest

from seqlab.data.sources import build_sources
from seqlab.errors import UserError
from seqlab.laws import same_on_a_mesh
from seqlab.leaves import by_path
from seqlab.models.network import Network
from seqlab.models.text_cnn import TextCnn
from seqlab.objectives import Classification

DRAW = np.random.default_rng(0)


def network(**options):
  return Network(TextCnn(vocab=11, width=8, classes=3, windows=(2, 3), channels=4, **options))


def batch(rows=8, length=6):
  size = DRAW.integers(1, length + 1, rows)
  inside = np.arange(length) < size[:, None]
  return dict(
    tokens_BT=np.where(inside, DRAW.integers(0, 10, inside.shape), 10).astype(np.int32),
    pos_BT=np.where(inside, np.arange(length), 0).astype(np.int32),
    weight_BT=inside.astype(np.float32),
    label_B=DRAW.integers(0, 3, rows).astype(np.int32),
    weight_B=np.ones(rows, np.float32),
  )


def by_hand(params, tokens, windows=(2, 3), limit=3.0):
  """One text, loops as in the paper."""
  embed, found = np.asarray(params["embed_VD"]), []
  for size in windows:
    w, b = np.asarray(params[f"window{size}_WDF"]), np.asarray(params[f"window{size}_bias_F"])
    zeros = np.zeros((size - 1, embed.shape[1]))
    x = np.concatenate([zeros, embed[tokens], zeros])
    ends = range(len(x) - size + 1)
    responses = [np.einsum("wd,wdf->f", x[at : at + size], w) + b for at in ends]
    found.append(np.maximum(np.max(responses, 0), 0))
  classes = np.asarray(params["classes_FC"])
  classes = classes * np.minimum(limit / np.linalg.norm(classes, axis=0), 1)
  return np.concatenate(found) @ classes + np.asarray(params["classes_bias_C"])


@pytest.mark.parametrize("limit", [3.0, 0.1])
def test_it_is_the_paper_s_and_padding_has_no_say(limit):
  net, rows = network(limit=limit), batch()
  params = net.init(jax.random.key(0), rows["tokens_BT"], rows["pos_BT"], rows["weight_BT"])
  params = jax.tree.map(lambda p: p + 0.3 * jax.random.normal(jax.random.key(1), p.shape), params)
  got = net(params, rows["tokens_BT"], rows["pos_BT"], rows["weight_BT"])
  longer = {k: np.pad(v, [(0, 0), (0, 5)]) for k, v in rows.items() if k.endswith("BT")}
  again = net(params, longer["tokens_BT"], longer["pos_BT"], longer["weight_BT"])
  for row, logits in enumerate(np.asarray(got)):
    text = rows["tokens_BT"][row, : int(rows["weight_BT"][row].sum())]
    np.testing.assert_allclose(logits, by_hand(params, text, limit=limit), atol=1e-5)
  np.testing.assert_allclose(got, again, atol=1e-5)


def test_losses_are_the_same_on_a_mesh_and_every_parameter_learns():
  objective, rows = Classification(network()), batch()
  params = objective.init(jax.random.key(0), rows)
  grads = jax.grad(lambda p: objective.loss("model", p, rows, None, {})[0])(params)
  assert all(np.abs(g).max() > 0 for g in by_path(grads).values())
  same_on_a_mesh(objective, rows, dict(data=2, fsdp=2, tensor=2))


def test_lines_that_begin_with_their_class(tmp_path):
  (tmp_path / "a.txt").write_text("0 What is it ?\nHUM Who caf\xe9 ?\n", encoding="latin-1")
  source = f"labelled(path='{tmp_path}/a.txt', encoding='latin-1')"
  found = list(build_sources(source)[0].documents())
  assert [(d.label, d.text) for d in found] == [("0", "What is it ?"), ("HUM", "Who café ?")]
  (tmp_path / "a.txt").write_text("0 What\nalone\n")
  with pytest.raises(UserError, match=r"line 2 of .*a.txt is 'alone'; a class, a space"):
    list(build_sources(source)[0].documents())


def test_sums_are_right_and_different():
  found = list(build_sources("additions(digits=2, count=5000)")[0].documents())
  assert len({d.source for d in found}) == 5000
  for document in found:
    one, other = map(int, document.source.split("+"))
    assert int(document.text) == one + other and max(one, other) < 100
  other = list(build_sources("additions(digits=2, count=5000, seed=1)")[0].documents())
  assert other != found
  with pytest.raises(UserError, match=r"1 to 100 \*\* digits sums"):
    build_sources("additions(digits=1, count=101)")
