"""What an objective makes of the labels of the data: the head of its network, and its targets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seqlab.data.corpus import Corpus
from seqlab.data.labels import class_sets, classes_of, number
from seqlab.data.learned import Learned
from seqlab.data.rows import Data
from seqlab.data.split import is_rule
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
  if name == "frames":
    if "weight_BT" not in learned.shapes:
      raise UserError("config.objective=frames(): config.data.source has no frames; rolls() has")
    return dict(tags=learned.shapes["x_BTD"][-1]), {}
  if name not in WANTED:
    return {}, {}
  if name == "regression" and "target_B" in learned.shapes:
    return dict(classes=1), {}
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


def check_classes(name: str, data: Data, valid: str, tell: Callable[[str], None]) -> None:
  """Of texts that are told into classes, or their words: what is held out has no class that nothing
  in training has. `tell` hears of one that a rule held out by chance.

  Raises:
    UserError: it has, in validation text of its own.
  """
  if name not in ("classification", "tagging") or not isinstance(data, Corpus):
    return
  known, held = (data.classes(split) for split in ("train", "valid"))
  if not (strange := sorted(held - known)):
    return
  names = ", ".join(repr(data.labels[i]) for i in strange[:5])
  if is_rule(valid):
    tell(f"data: nothing in training has the label {names}, which is held out")
    return
  raise UserError(
    f"config.data.valid={valid!r}: nothing in training has its label {names}; those of "
    f"config.data.source are {', '.join(repr(data.labels[i]) for i in sorted(known)[:5])}"
  )


def _check(name: str, learned: Learned) -> None:
  what, advice = WANTED[name]
  if name == "classification" and "" in learned.labels:
    raise UserError(
      "config.data.source: a label is empty; classification() wants one for each text"
    )
  tagged, count = learned.between is not None, len(learned.labels)
  if count > 1 and tagged == (name == "tagging"):
    return
  has = f"no {what}"
  if count and tagged:
    has = f"tags of words, no {what}" if name != "tagging" else "one tag"
  elif count == 1 and name != "tagging":
    has, advice = f"one label, {learned.labels[0]!r}", "two or more are wanted"
  if learned.shapes and not count:
    advice = "give labels=… to idx() or npz()"
  raise UserError(f"config.objective={name}(): the source has {has}; {advice}")
