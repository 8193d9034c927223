"""What labels say beyond the name of a class, and the losses of sets of classes and of numbers."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from seqlab.data.labels import class_sets, classes_of, number, parts
from seqlab.data.learned import learned_from
from seqlab.errors import UserError
from seqlab.heads import check_classes, head_of
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.objectives.regression import Regression
from seqlab.prepare import prepare

NAMES = ["b;a", "", "c", "a"]
BATCH = dict(
  tokens_BT=np.zeros((3, 2), np.int32),
  pos_BT=np.zeros((3, 2), np.int32),
  weight_BT=np.ones((3, 2), np.float32),
  label_B=np.array([0, 3, 2]),
  weight_B=np.array([1, 1, 0], np.float32),
)


class Given:
  """A network whose outputs are its parameters."""

  reads_types = False

  def __call__(self, params, *inputs, key=None):
    return params


def test_labels_of_several_names():
  assert parts(" b ; a;", ";") == ("b", "a") and parts("", "|") == ()
  classes = classes_of(NAMES, ";")
  assert classes == ["a", "b", "c"]
  wanted = [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
  np.testing.assert_array_equal(class_sets(NAMES, ";", classes), wanted)
  with pytest.raises(UserError, match="unknown label 'c'; the classes are a, b"):
    class_sets(NAMES, ";", ["a", "b"])


def test_labels_that_are_numbers():
  assert number("-1.5e2") == -150
  for name in ("good", "", "nan", "inf"):
    with pytest.raises(UserError, match=f"the label '{name}' is no number"):
      number(name)


def test_classes_that_nothing_in_training_has(tmp_path):
  def source(name, labels):
    rows = [json.dumps(dict(text=f"{name} {i}", label=x)) for i, x in enumerate(labels)]
    (tmp_path / name).write_text("\n".join(rows))
    return f"jsonl(path='{tmp_path / name}', label='label')"

  train, other, heard = source("train", ["neg", "pos"] * 9), source("other", ["pos", "0"]), []

  def made(source, valid):
    data = prepare(source, valid=valid, store=str(tmp_path / "data"), tell=lambda line: None)
    check_classes("classification", data, valid, heard.append)
    return data

  made(train, train)
  with pytest.raises(UserError, match=r"training has its label '0'; those of .* are 'neg', 'pos'"):
    made(train, other)
  made(source("rare", [*["neg", "pos"] * 9, "odd"]), "tail(fraction=0.0565)")
  assert heard == ["data: nothing in training has the label 'odd', which is held out"]
  with pytest.raises(UserError, match="a label is empty"):
    data = made(source("empty", ["", "pos"] * 9), "hash(fraction=0.2)")
    head_of("classification", {}, learned_from(data), data.labels)


def test_the_loss_of_sets_is_the_binary_cross_entropy_of_each_class():
  objective = MultiLabelClassification(Given(), class_sets(NAMES, ";", ["a", "b", "c"]))
  logits_BC = jnp.array([[2.0, 0.5, -1.0], [-3.0, 0.1, -0.2], [9.0, 9.0, 9.0]])
  scalar, metrics, _ = objective.loss("model", {"model": logits_BC}, BATCH, None, {})
  share_BC = np.asarray(jax.nn.sigmoid(logits_BC))
  target_BC = np.array([[1, 1, 0], [1, 0, 0]])
  wanted = sum(
    log_loss([target_BC[b, c]], [share_BC[b, c]], labels=[0, 1]) for b in range(2) for c in range(3)
  )
  np.testing.assert_allclose(metrics["loss"], (wanted, 2), rtol=1e-5)
  assert float(scalar) == pytest.approx(wanted / 2, rel=1e-5)
  assert tuple(map(float, metrics["exact_match"])) == (1, 2)
  np.testing.assert_allclose(objective.predict({"model": logits_BC}, BATCH), share_BC)
  extreme = jax.grad(lambda x: objective.loss("model", {"model": x}, BATCH, None, {})[0])
  assert bool(jnp.isfinite(extreme(1000 * logits_BC)).all())


def test_the_loss_of_numbers_is_the_squared_error():
  objective = Regression(Given(), np.array([0.5, 7.0, 7.0, -2.0], np.float32))
  given = {"model": jnp.array([[1.0], [1.0], [99.0]])}
  scalar, metrics, _ = objective.loss("model", given, BATCH, None, {})
  assert tuple(map(float, metrics["loss"])) == (0.25 + 9, 2) and float(scalar) == 9.25 / 2
  np.testing.assert_array_equal(objective.predict(given, BATCH), [1, 1, 99])
