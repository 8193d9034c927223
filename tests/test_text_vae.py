"""The variational autoencoder of sentences: its bound, its rows, and what is written out of it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import here
from drawn import drawn

from seqlab import axes
from seqlab.cli import main
from seqlab.config import load
from seqlab.data.loader import Loader
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.networks import Ends, make_network
from seqlab.objectives import Variational
from seqlab.ops.cross_entropy import cross_entropy
from seqlab.prepare import prepare

EOT, PAD, VOCAB = 6, 7, 8
SENTENCES = ([1, 2, 3], [], [5, 0, 0, 4], [3])


def rows(sentences=SENTENCES, length=5):
  shape = (len(sentences), length)
  batch = {name: np.full(shape, PAD, np.int32) for name in ("tokens_BT", "labels_BT")}
  batch |= dict(pos_BT=np.zeros(shape, np.int32), weight_BT=np.zeros(shape, "f4"))
  for row, ids in enumerate(sentences):
    here = row, slice(0, len(ids) + 1)
    batch["tokens_BT"][here], batch["labels_BT"][here] = [EOT, *ids], [*ids, EOT]
    batch["pos_BT"][here], batch["weight_BT"][here] = np.arange(len(ids) + 1), 1
  return batch | dict(weight_B=np.ones(len(sentences), "f4"))


@pytest.fixture(scope="module")
def network():
  options = ["width=8", "depth=1", "mixer=gru()", "mlp=none()", "name=text_vae(latent=3)"]
  return make_network(load("", [f"model.{option}" for option in options]), Ends(vocab=VOCAB))


@pytest.fixture(scope="module")
def measured(network):
  """All numbers of a batch in one program, since compiling is all the time there is."""
  hiding = Variational(network, warmup=2, importance=50, word_dropout=1.0, pad=PAD, eot=EOT)
  plain = Variational(network, pad=PAD, eot=EOT)
  key, z_BZ = jax.random.key(3), np.linspace(-1, 1, 12, dtype="f4").reshape(4, 3)

  def training(params, batch):
    return hiding.loss("model", {"model": params}, batch, key, {"turns": jnp.int32(1)})[0]

  def total(of, params, batch, key):
    return of._of.total(network, params, z_BZ, batch, key)

  def everything(params, batch):
    inputs = batch["tokens_BT"], batch["pos_BT"]
    text_BT = (batch["weight_BT"] > 0) & (inputs[0] != EOT)
    blind = {**batch, "tokens_BT": jnp.where(text_BT, PAD, inputs[0])}
    mean_BZ, logvar_BZ = network(params, *inputs, batch["weight_BT"], method="encode")
    noise_BZ = hiding._noise(batch, None, mean_BZ.shape)
    whole_BTD, _ = network(params, *inputs, None, mean_BZ + jnp.exp(logvar_BZ / 2) * noise_BZ)
    nll_BT = cross_entropy(network(params, whole_BTD, method="logits"), batch["labels_BT"])[0]
    first, rest = ([x[:, :1] for x in inputs], [x[:, 1:] for x in inputs])
    y_BTD, state = network(params, *first, network.init_state(4, 8), z_BZ)
    z_BTD, _ = network(params, *rest, state)
    return dict(
      metrics=hiding.loss("model", {"model": params}, batch, None, hiding.init_extra(4))[1],
      kl=0.5 * jnp.sum(mean_BZ**2 + jnp.exp(logvar_BZ) - 1 - logvar_BZ, 1),
      told=jnp.sum(nll_BT * batch["weight_BT"], 1),
      hidden=total(hiding, params, batch, key),
      blind=total(plain, params, blind, key),
      seen=[total(of, params, batch, None) for of in (hiding, plain)],
      pieces=jnp.concatenate([y_BTD, z_BTD], 1),
      whole=network(params, *inputs, None, z_BZ)[0],
      grads=jax.grad(training)(params, batch),
    )

  run = jax.jit(everything, compiler_options=dict(xla_backend_optimization_level=0))
  params = drawn(network.init, *plain.inputs(rows()))
  return lambda batch: jax.device_get(run(params, batch))


def test_the_bound_is_in_nats_a_sentence_and_its_parts_are_their_formulas(measured):
  found = measured(rows())
  metrics = found["metrics"]
  kl, told = found["kl"].sum(), found["told"].sum()
  for name, value, weight in (
    *(("kl", kl, 4), ("reconstruction", told, 4)),
    *(("loss", kl + told, 4), ("token_loss", kl + told, 12)),
  ):
    np.testing.assert_allclose(metrics[name], (value, weight), rtol=1e-4)
  assert metrics["importance_bound"][0] < metrics["loss"][0]


def test_no_other_row_and_no_padding_has_a_say(measured):
  batch, want = rows(), measured(rows())["metrics"]
  batch["tokens_BT"][batch["weight_BT"] == 0] = 1
  for metric, sums in measured({name: x[::-1] for name, x in batch.items()})["metrics"].items():
    np.testing.assert_allclose(sums, want[metric], rtol=1e-4)
  batch["weight_B"][0], batch["weight_BT"][0] = 0, 0
  found = measured(batch)
  np.testing.assert_allclose(found["metrics"]["kl"], (found["kl"][1:].sum(), 3), rtol=1e-4)
  np.testing.assert_allclose(found["metrics"]["token_loss"][1], 8)


def test_words_are_hidden_in_training_alone(measured):
  found = measured(rows())
  np.testing.assert_allclose(found["hidden"], found["blind"], rtol=1e-5)
  assert found["seen"][0] == found["seen"][1] and abs(found["seen"][0] - found["blind"]) > 0.01
  with pytest.raises(UserError, match=r"word_dropout=0.5 of variational\(\) is of sentences"):
    Variational(None, word_dropout=0.5)


def test_the_latent_is_given_once_and_every_parameter_learns(measured):
  found = measured(rows())
  np.testing.assert_allclose(found["pieces"], found["whole"], atol=1e-5)
  for path, leaf in by_path(found["grads"]).items():
    assert len(axes.letters(path)) == leaf.ndim and np.abs(leaf).max() > 0, path


def test_rows_are_whole_sentences(tmp_path):
  (tmp_path / "a.txt").write_text("ab\n\nabcd\nc\n")
  source, store = f"text(path='{tmp_path}/a.txt', documents='line')", str(tmp_path / "store")
  corpus = prepare(source, "bytes()", "hash(fraction=0)", store)
  loader, found = Loader(corpus, length=5, batch=2, rows="sentences", train=False), []
  for step in range(loader.steps_per_epoch):
    batch = loader(step)
    for row in np.flatnonzero(batch["weight_B"]):
      inside = batch["weight_BT"][row] > 0
      tokens, labels = batch["tokens_BT"][row][inside], batch["labels_BT"][row][inside]
      assert tokens[0] == labels[-1] == corpus.eot and (tokens[1:] == labels[:-1]).all()
      assert batch["pos_BT"][row][inside].tolist() == list(range(len(tokens)))
      assert (batch["tokens_BT"][row][~inside] == corpus.pad).all()
      found.append(corpus.tokenizer.decode(labels))
  assert found == ["ab", "abcd", "c"]
  with pytest.raises(UserError, match=r"config.length=4: the longest text has 5 tokens"):
    Loader(corpus, length=4, batch=2, rows="sentences")
  pairs = f"parallel(path='{tmp_path}/b.txt', source='{tmp_path}/b.txt')"
  (tmp_path / "b.txt").write_text("ab\nabcd\nc\n")  # an autoencoder's: each text is its own source
  corpus = prepare(pairs, "bytes()", "hash(fraction=0)", store)
  batch = Loader(corpus, length=5, batch=3, rows="pairs(layout='alone')", train=False)(0)
  for row in range(3):
    source, labels = batch["source_BS"][row], batch["labels_BT"][row]
    assert corpus.tokenizer.decode(source) == corpus.tokenizer.decode(labels) != ""


def test_sentences_are_written_and_scored(tmp_path, capsys):
  """Words of one letter, which the latent numbers are to tell."""
  words = [letter * size for letter in "abcd" for size in range(2, 8)] * 20
  (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
  flags = {
    "objective": "variational(beta=0.1, warmup=50, word_dropout=0.5)", "steps": 120, "batch": 32,
    "model.name": "text_vae(latent=2)", "model.width": 24, "model.depth": 1, "length": 8,
    "model.mixer": "rnn()", "model.mlp": "none()", "lr": 0.02, "data.tokenizer": "characters()",
    "data.source": f"text(path='{tmp_path}/words.txt', documents='line')",
    "data.store": str(tmp_path / "store"), "log.tensorboard": False, "log.every": 20,
  }  # fmt: skip
  told = [f"--config.{key}={value}" for key, value in flags.items()]
  run = tmp_path / "run"
  here("train", *told, f"--workdir={run}")
  *_, line = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
  numbers = {name.removeprefix("valid/"): value for name, value in line.items()}
  assert numbers["perplexity"] == pytest.approx(np.exp(numbers["token_loss"]))
  assert numbers["kl"] > 0.5 and numbers["loss"] < 12 and numbers["bits_per_byte"] > 0

  def written(*more):
    flags = ("--tokens=9", "--temperature=0", "--samples=4", *more)
    assert main(["sample", f"--workdir={run}", *flags]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[::2] == [f"--- {n} of 4" for n in range(1, 5)]
    return said[1::2]

  assert len({text[:1] for text in written()}) > 1
  way = written("--prompt=aaaa", "--prompt=dddd")
  assert set(way[0]) == {"a"} and set(way[-1]) == {"d"}
  assert sum(set(text) == {"b"} for text in written("--prompt=bbbbb")) >= 2
  three = ["sample", f"--workdir={run}", *["--prompt=aa"] * 3]
  assert main(three) == 2 and "two to go from one to the other" in capsys.readouterr().err
