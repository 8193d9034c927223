"""The known language: its draws are of its own distribution, and another's are judged by it."""

import json

import numpy as np
import pytest

from seqlab.cli import main
from seqlab.data.oracle import LENGTH, Oracle
from seqlab.errors import UserError

V, F = 12, 4
DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
  held = {"emb": (V, F), "Wo": (F, V), "bo": (V,)}
  for gate in ("i", "f", "og", "c"):
    held |= {f"W{gate}": (F, F), f"U{gate}": (F, F), f"b{gate}": (F,)}
  path = tmp_path_factory.mktemp("oracle") / "params.npz"
  np.savez(path, **{name: DRAW.normal(size=shape).astype("f4") for name, shape in held.items()})
  return path


def by_hand(path, tokens):
  """Nats a token of one sequence: the equations of the authors' target_lstm.py, one at a time."""
  p, s = dict(np.load(path)), lambda x: 1 / (1 + np.exp(-x))
  h, c, before, total = np.zeros(F), np.zeros(F), 0, 0.0
  for token in tokens:
    x = p["emb"][before]
    i, f, o = (s(x @ p[f"W{g}"] + h @ p[f"U{g}"] + p[f"b{g}"]) for g in ("i", "f", "og"))
    c = f * c + i * np.tanh(x @ p["Wc"] + h @ p["Uc"] + p["bc"])
    h = o * np.tanh(c)
    logits = h @ p["Wo"] + p["bo"]
    total += np.log(np.exp(logits).sum()) - logits[token]
    before = token
  return total / len(tokens)


def test_it_judges_by_its_equations_and_draws_what_it_judges(file):
  oracle = Oracle(str(file), "source")
  drawn = oracle.sequences(1500, seed=3)
  assert drawn.shape == (1500, LENGTH) and (drawn == oracle.sequences(1500, seed=3)).all()
  want = np.mean([by_hand(file, tokens) for tokens in drawn[:40]])
  np.testing.assert_allclose(oracle.nll(drawn[:40]), want, rtol=1e-5)
  first = np.bincount(drawn[:, 0], minlength=V) / len(drawn)
  p = np.exp([-by_hand(file, [token]) for token in range(V)])
  np.testing.assert_allclose(first, p, atol=0.05)
  assert oracle.nll(drawn) < oracle.nll(DRAW.integers(0, V, drawn.shape)) - 0.3


def test_a_language_model_is_judged_when_it_is_evaluated(file, tmp_path):
  flags = {
    "data.source": f"oracle(path='{file}', count=300)", "data.tokenizer": "words(min_count=1)",
    "data.rows": "packed", "length": 21, "batch": 16, "steps": 60, "lr": 0.02,
    "model.width": 8, "model.depth": 1, "model.mixer": "lstm()", "model.mlp": "none()",
    "log.tensorboard": False, "data.store": tmp_path / "store",
  }  # fmt: skip
  flags = [f"--config.{key}={value}" for key, value in flags.items()]
  assert main(["train", *flags, f"--workdir={tmp_path / 'run'}"]) == 0
  assert main(["evaluate", f"--workdir={tmp_path / 'run'}"]) == 0
  told = json.loads((tmp_path / "run" / "evaluate_valid.json").read_text())
  oracle = Oracle(str(file), "source")
  best = oracle.nll(oracle.sequences(2000, seed=5))
  chance = oracle.nll(DRAW.integers(0, V, (2000, LENGTH)))
  assert best < told["oracle_nll"] < chance


def test_a_file_that_is_none(tmp_path):
  np.savez(tmp_path / "a.npz", emb=np.zeros((2, 2)))
  with pytest.raises(UserError, match="holds no oracle"):
    Oracle(str(tmp_path / "a.npz"), "config.data.source")
