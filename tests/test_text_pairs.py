"""Pairs of texts of which one thing is said: rows, types of tokens, and the commands on them."""

import json
import random

import jax
import numpy as np
import pytest
from commands import here
from drawn import drawn
from test_command_predict import WORDS, lines

from seqlab.data.examples import Examples
from seqlab.errors import UserError
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.stack import Layer
from seqlab.prepare import prepare


def written(folder, count, name="pairs.jsonl"):
  """Two texts each; what kind the second is, is the label."""
  draw = random.Random(count)
  rows = []
  for _ in range(count):
    one, two = draw.choices(list(WORDS), k=2)
    texts = ["".join(draw.choices(WORDS[kind], k=6)) for kind in (one, two)]
    rows.append(dict(source=texts[0], text=texts[1], label=two))
  (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
  return f"jsonl(path='{folder / name}', label='label', source='source')", rows


def test_a_pair_is_one_row_and_types_tell_its_texts_apart(tmp_path):
  source, rows = written(tmp_path, 36)
  valid, _ = written(tmp_path, 4, "valid.jsonl")
  data = prepare(source, valid=valid, store=str(tmp_path / "data"))
  (store,) = data.stores
  made = Examples(store.split("train"), length=12, pad=data.pad, seed=0)
  assert made.count == 36
  batch = made.evaluate(np.array([0, 5, 36]))
  for row, of in enumerate((0, 5)):
    both = [[data.eot, *rows[of][name].encode()] for name in ("source", "text")]
    assert batch["tokens_BT"][row].tolist() == [*both[0], *both[1]][:12], "cut at the end"
    assert batch["types_BT"][row].tolist() == [0] * 7 + [1] * 5
    assert batch["pos_BT"][row].tolist() == list(range(12))
    assert data.labels[batch["label_B"][row]] == rows[of]["label"]
  assert not batch["weight_BT"][2].any() and not batch["types_BT"][2].any()


def test_without_types_all_are_of_the_first():
  layers = (Layer(both_ways(Attention(heads=2)), None),)
  body = Decoder(vocab=9, width=8, depth=1, layers=layers, types=2)
  network = Network(Classifier(body, classes=3, pool="first"))
  assert network.reads_types
  tokens, pos = np.arange(8).reshape(2, 4), np.tile(np.arange(4), (2, 1))
  weight, types = np.ones((2, 4), np.float32), np.tile([0, 0, 1, 1], (2, 1))
  params = drawn(network.init, tokens, pos, weight, types)
  alone, none, both = (network(params, tokens, pos, weight, t) for t in (None, types * 0, types))
  np.testing.assert_array_equal(alone, none)
  assert not np.allclose(alone, both, atol=1e-3)
  grads = jax.grad(lambda p: network(p, tokens, pos, weight, types).sum())(params)
  assert np.abs(grads["type_SD"]).min(1).all(), "both rows are read"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("pairs")
  source, _ = written(folder, 300)
  flags = [
    "--config.model.name=encoder(types=2)", "--config.objective=classification()",
    "--config.model.mixer=attention(heads=2, positions='none')", "--config.model.width=32",
    "--config.model.depth=2", "--config.model.pool=first", "--config.length=16",
    "--config.batch=32", "--config.lr=0.005", f"--config.data.store={folder / 'data'}",
    "--config.log.tensorboard=False", "--config.evaluate.every=0", "--config.steps=120",
    f"--config.data.source={source}",
  ]  # fmt: skip
  here("train", f"--workdir={folder / 'run'}", *flags)
  return folder / "run"


def test_the_second_text_is_told_by_its_type_alone(run):
  """Attention without positions sees a bag of tokens, which the types divide."""
  here("predict", f"--workdir={run}")
  found = lines(run / "predict_valid.jsonl")
  assert found[0].keys() >= {"source", "text", "label", "predicted"}
  assert np.mean([one["label"] == one["predicted"] for one in found]) > 0.9
  for one in found[:3]:
    given = [f"--{name}={one[name]}" for name in ("source", "text")]
    told = here("predict", f"--workdir={run}", *given).splitlines()
    assert told[0] == f"{one['source']} | {one['text']}" and told[1].endswith(one["predicted"])
  here("attention", f"--workdir={run}", *given)
  assert (run / "attention_1.png").is_file()


def test_one_type_tells_nothing_apart_and_a_decoder_has_no_first(run, tmp_path):
  flags = ["--config.objective=classification()", f"--workdir={tmp_path}"]
  flags += [
    f"--config.data.{key}={json.loads((run / 'config.json').read_text())[f'data.{key}']}"
    for key in ("source", "store")
  ]
  told = here("train", *flags, "--config.model.name=encoder(types=1)", code=2)
  assert "types=1 of encoder(): 0, or 2 and more are wanted" in told
  told = here("train", *flags, "--config.model.pool=first", code=2)
  assert "config.model.pool='first': a decoder's first token has seen nothing" in told


def test_a_text_alone_is_refused_where_pairs_are_read(run, tmp_path):
  told = here("predict", f"--workdir={run}", "--text=aab", code=2)
  assert "--text='aab': is a text alone; this run reads a text with a source" in told
  told = here("predict", f"--workdir={run}", "--text=aab", "--source=b", "--source=a", code=2)
  assert "1 --text and 2 --source: one for each is wanted" in told
  told = here("predict", f"--workdir={run}", "--text=aab", "--source= ", code=2)
  assert "--text='aab': is empty; a text is wanted" in told
  told = here("attention", f"--workdir={run}", "--text=aab", code=2)
  assert "1 texts for 0 sources; one for each" in told
  (tmp_path / "one.jsonl").write_text('{"text": "aab", "label": "ants"}\n')
  data = f"--data=jsonl(path='{tmp_path / 'one.jsonl'}', label='label')"
  assert "this run reads a text with a source" in here("predict", f"--workdir={run}", data, code=2)
  assert "it has texts alone; this run reads pairs of texts" in here(
    "evaluate", f"--workdir={run}", data, code=2
  )
  both = f"{json.loads((run / 'config.json').read_text())['data.source']} | {data[7:]}"
  both = both.replace(", label='label'", "")
  mixed = prepare(both, valid="hash(fraction=0)", store=str(tmp_path / "data"))
  with pytest.raises(UserError, match="some sources have pairs of texts, others texts alone"):
    mixed.parts("train", "examples", length=16, seed=0, train=True)
  assert mixed.parts(
    "train", "spans(rate=0.15, span=3.0, sentinels=9)", length=16, seed=0, train=True
  )
