"""What a run trains on: the prepared store of each source of a mixture, with the weights of the
mixture.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqlab.data.files import identify
from seqlab.data.rows import ROWS, TokenRows, rows_call
from seqlab.data.store import Store
from seqlab.data.tokenizers import Tokenizer
from seqlab.errors import UserError


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Stores that share one tokenizer; `vocab`, `eot`, `pad`, `labels` and `between` are those of
  each.
  """

  stores: tuple[Store, ...]
  weights: tuple[float, ...]

  def __post_init__(self):
    for store in self.stores[1:]:
      if store.meta["labels"] != self.stores[0].meta["labels"]:
        raise UserError(
          f"config.data.source: the sources have different labels, {self.labels} and "
          f"{store.meta['labels']}; a mixture needs the same"
        )

  @property
  def tokenizer(self) -> Tokenizer:
    return self.stores[0].tokenizer

  @property
  def vocab(self) -> int:
    return self.stores[0].meta["vocab"]

  @property
  def eot(self) -> int:
    return self.stores[0].meta["eot"]

  @property
  def pad(self) -> int:
    return self.stores[0].meta["pad"]

  @property
  def labels(self) -> list[str]:
    """The names of the classes or tags, in the order of their numbers; empty where the source has
    neither.
    """
    return self.stores[0].meta["labels"]

  def classes(self, split: str) -> set[int]:
    """The numbers of the classes or tags that stand in a split."""
    found: set[int] = set()
    for store in self.stores:
      tokens = store.split(split)
      numbers = tokens.labels if tokens.tags is None else tokens.tags[tokens.tags >= 0]
      found |= set(np.unique([] if numbers is None else numbers).astype(int).tolist())
    return found

  @property
  def between(self) -> str | None:
    """What stands between the words that have tags; None where the source has no tags."""
    return self.stores[0].meta.get("between")

  @property
  def pairs(self) -> bool:
    """Whether its texts come in pairs."""
    return bool(self.stores[0].meta.get("pairs"))

  @property
  def fingerprint(self) -> str:
    return corpus_fingerprint([store.fingerprint for store in self.stores], self.weights)

  def size(self, split: str) -> dict[str, int]:
    """Sums over the stores: tokens, documents, bytes, characters, unknown (tokens that stand for
    what is outside the vocabulary).
    """
    counted = ("tokens", "documents", "bytes", "characters", "unknown")
    return {name: sum(s.meta["splits"][split][name] for s in self.stores) for name in counted}

  def parts(
    self, split: str, rows: str, *, length: int, seed: int, train: bool
  ) -> tuple[list[TokenRows], tuple[float, ...]]:
    """The rows of each store and its weight in the mixture.

    Raises:
      UserError: the split is empty or shorter than a window, or holds nothing for such rows.
    """
    call = rows_call(rows)
    if not self.size(split)["documents"]:
      raise UserError(
        f"config.data.valid: the {split} split holds no documents; raise its fraction, use "
        "'tail(fraction=0.1)' for few long documents, or name a source"
      )
    kinds = {bool(store.meta.get("pairs")) for store in self.stores}
    if len(kinds) > 1 and call.name != "spans":  # which reads every side as a text
      raise UserError(
        "config.data.source: some sources have pairs of texts, others texts alone; a mixture needs "
        "the same"
      )
    if self.pairs and call.name not in ("pairs", "spans", "examples"):
      raise UserError(
        "config.data.source: it holds pairs, which sequence_to_sequence(), classifiers and, as "
        "texts, span_corruption() read, and nothing else does; name one text"
      )
    stores = [s for s in self.stores if train or s.meta["splits"][split]["documents"]]
    make = functools.partial(ROWS[call.name], length=length, pad=self.pad, seed=seed)
    parts = [make(s.split(split), **call.kwargs) for s in stores]
    for part in parts:
      if train and not part.count:
        held = part.tokens.count - 1
        raise UserError(
          f"config.length={length}: longer than the {split} text of {held} tokens; "
          f"give length={held} or less, or more text"
        )
    return parts, self.weights if train else (1.0,) * len(stores)

  def about(self) -> dict[str, Any]:
    """What a run's card says of each source."""
    return {
      store.meta["source"]: dict(
        sha256=store.meta["source_sha256"],
        tokenizer=store.meta["tokenizer"],
        vocabulary=store.meta["vocab"],
        **{split: dict(self.size(split)) for split in store.meta["splits"]},
      )
      for store in self.stores
    }

  def __str__(self) -> str:
    return f"{self.size('train')['tokens']:,} tokens, vocabulary {self.vocab:,}"


def corpus_fingerprint(stores: Sequence[str], weights: Sequence[float]) -> str:
  """From the fingerprints of its stores and their weights."""
  return identify(list(zip(stores, weights, strict=True)))
