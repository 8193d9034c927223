"""What an objective makes of the labels of the data: the head of its network, and its targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.data.labels import class_sets, classes_of, number
from seqlab.data.learned import Learned
from seqlab.errors import UserError

# What objectives want of a source besides text, and what gives it.
_COLUMN = "name the column with label=… in config.data.source"
WANTED = {
  "classification": ("classes", _COLUMN),
  "multi_label_classification": ("labels", _COLUMN),
  "regression": ("numbers", _COLUMN),
  "tagging": ("tags", "use conll(path=…) or entities() as config.data.source"),
}


def head_of(
  name: str, arguments: Mapping[str, Any], learned: Learned, labels: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
  """(what `networks.Ends` is told, what the objective of this name is told besides its arguments);
  `labels` are the names that `label_B` numbers in the data.

  Raises:
    UserError: the data do not have what the objective wants.
  """
  if name == "adversarial":  # for a generator that is told which class it is to make
    return dict(classes=len(learned.labels)), {}
  if name not in WANTED:
    return {}, {}
  _check(name, learned)
  if name == "tagging":
    return dict(tags=len(learned.labels), crf=arguments["crf"]), {}
  if name == "multi_label_classification":
    classes = classes_of(learned.labels, arguments["separator"])
    target_NC = class_sets(labels, arguments["separator"], classes)
    return dict(classes=len(classes)), dict(target_NC=target_NC)
  if name == "regression":
    values = [number(label) for label in labels]
    return dict(classes=1), dict(target_N=np.array(values, np.float32))
  return dict(classes=len(learned.labels)), {}


def _check(name: str, learned: Learned) -> None:
  what, advice = WANTED[name]
  tagged, count = learned.between is not None, len(learned.labels)
  if count < 2 or tagged != (name == "tagging"):
    has = f"tags of words, no {what}" if tagged and name != "tagging" else f"{count} {what}"
    raise UserError(f"config.objective={name}(): the source has {has}; {advice}")
