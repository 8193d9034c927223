"""The objective of synthetic tasks, and the commands on a run of one."""

import json

import jax
import numpy as np
import optax
import pytest
from commands import here

from seqlab import config, positions
from seqlab.data import synthetic
from seqlab.errors import UserError
from seqlab.laws import same_on_a_mesh
from seqlab.models.compressor import Compressor
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.objectives import Answers

TASK = "--config.data.source=parity(least=1)", "--config.objective=answers()"
SMALL = (
  "--config.length=4", "--config.model.width=32", "--config.model.depth=1",
  "--config.model.mixer=lstm()", "--config.batch=32",
)  # fmt: skip


@pytest.fixture(scope="module")
def objective():
  layer = Layer(MIXERS["min_gru"](), Plain(ratio=2))
  return Answers(Network(Decoder(vocab=6, width=16, depth=1, layers=(layer,))), choices=2)


@pytest.fixture(scope="module")
def batch():
  made = synthetic.read_tasks("reverse_string(least=2, length=4)", "hash(fraction=0.1)", 8)
  (part,), _ = made.parts("train", "answers", length=8, seed=0, train=True)
  return part.train(np.arange(8), 0)


def test_numbers_are_those_of_all_scores_by_hand(objective, batch):
  params = objective.init(jax.random.key(0), batch)
  loss, metrics, _ = objective.loss("model", params, batch, None, {})
  net = objective.network
  x_BTD, _ = net(params["model"], batch["tokens_BT"], batch["pos_BT"])
  logp_BTV = np.asarray(jax.nn.log_softmax(net(params["model"], x_BTD, method="logits")))
  nll, right, whole = [], [], []
  for row in range(8):
    told = [
      (logp_BTV[row, at], answer)
      for at, answer, weight in zip(
        *(batch[name][row] for name in ("at_BA", "answer_BA", "weight_BA")), strict=True
      )
      if weight
    ]
    nll += [-logp[answer] for logp, answer in told]
    right += [logp.argmax() == answer for logp, answer in told]
    whole.append(all(logp.argmax() == answer for logp, answer in told))
  assert float(loss) == pytest.approx(np.mean(nll), rel=1e-5)
  means = {name: float(total / weight) for name, (total, weight) in metrics.items()}
  assert means["accuracy"] == pytest.approx(np.mean(right))
  assert means["scaled_accuracy"] == pytest.approx(2 * np.mean(right) - 1, abs=1e-6)
  assert means["whole_accuracy"] == pytest.approx(np.mean(whole))


def test_rows_without_answers_count_for_nothing(objective, batch):
  params = objective.init(jax.random.key(0), batch)
  more = {name: np.concatenate([x, np.zeros_like(x[:2])]) for name, x in batch.items()}
  plain, with_more = (objective.loss("model", params, b, None, {})[1] for b in (batch, more))
  for name, sums in plain.items():
    np.testing.assert_allclose(sums, with_more[name], rtol=1e-5, err_msg=name)


def test_losses_are_the_same_on_a_mesh(objective, batch):
  same_on_a_mesh(objective, batch, dict(data=2, fsdp=2, tensor=2))


def test_a_run_learns_parity_and_is_evaluated_on_longer_rows(tmp_path):
  longer = "--config.data.valid=parity(length=6, least=5, count=200)"
  given = (*TASK, *SMALL, longer, "--config.steps=200", "--config.lr=0.01")
  here("train", f"--workdir={tmp_path}", *given, "--config.evaluate.every=200")
  here("evaluate", f"--workdir={tmp_path}", "--data=parity(length=4, count=300)")
  here("evaluate", f"--workdir={tmp_path}")
  short, long = (
    json.loads((tmp_path / f"evaluate_{name}.json").read_text()) for name in ("data", "valid")
  )
  assert short["accuracy"] > 0.95 and long["scaled_accuracy"] == pytest.approx(
    2 * long["accuracy"] - 1, abs=1e-6
  )
  assert "symbols are not those" in here(
    "evaluate", f"--workdir={tmp_path}", "--data=even_pairs()", code=2
  )
  assert "train and valid" in here("evaluate", f"--workdir={tmp_path}", "--split=test", code=2)


def accuracy_of(kind, made, steps=200, rows=32):
  """Of a small network after some steps of Adam, over the last quarter of them."""
  layer = Layer(MIXERS["lstm"](), Plain(ratio=2))
  network = Network(kind(vocab=made.vocab, width=32, depth=1, layers=(layer,)))
  objective, adam = Answers(network, choices=4), optax.adam(0.01)
  (part,), _ = made.parts("train", "answers", length=5, seed=0, train=True)
  batches = part.train(np.arange(steps * rows), 0)
  batches = {name: x.reshape(steps, rows, *x.shape[1:]) for name, x in batches.items()}

  def step(state, batch):
    def loss(params):
      scalar, metrics, _ = objective.loss("model", params, batch, None, {})
      return scalar, metrics["accuracy"]

    grads, (right, count) = jax.grad(loss, has_aux=True)(state[0])
    updates, moments = adam.update(grads, state[1])
    return (optax.apply_updates(state[0], updates), moments), right / count

  params = objective.init(jax.random.key(0), {name: x[0] for name, x in batches.items()})
  _, right_S = jax.jit(lambda s, b: jax.lax.scan(step, s, b))((params, adam.init(params)), batches)
  return float(right_S[-steps // 4 :].mean())


def test_a_compressor_tells_a_row_from_its_end_and_a_decoder_cannot():
  made = synthetic.read_tasks("compression(length=4, vocab=4)", "hash(fraction=0.1)", 5)
  assert accuracy_of(Compressor, made) > 0.95 and accuracy_of(Decoder, made) < 0.6


def test_rows_beyond_learned_positions_are_refused():
  learned = config.load("", ["model.learned_positions=true", "length=40"])
  positions.check_positions(learned, "--data", "parity(length=40)", 40)
  with pytest.raises(UserError, match="rows of 41 tokens"):
    positions.check_positions(learned, "--data", "parity(length=41)", 41)


@pytest.mark.parametrize(
  ("flags", "said"),
  [
    (("--config.data.source=parity()",), "which answers() learns"),
    (("--config.objective=answers()",), "is no task"),
    ((*TASK, "--config.data.tokenizer=words()"), "has no use for it"),
    (
      (*TASK, "--config.model.learned_positions=true", "--config.data.valid=parity(length=300)"),
      "rows of 300 tokens",
    ),
    (
      (*TASK, "--config.model.name=encoder", "--config.data.source=in_context_recall()"),
      "reads ahead, where config.data.source='in_context_recall()' shows its answers",
    ),
    ((*TASK, "--config.model.name=encoder_decoder()"), "trains 'decoder' or 'encoder'"),
    ((*TASK, "--config.data.source=parity(leest=1)"), "least"),
  ],
)
def test_mistakes_are_one_line(flags, said, tmp_path):
  told = here("train", f"--workdir={tmp_path / 'run'}", *flags, code=2)
  assert said in told and told.count("\n") == 1
