"""What a run trains on: the prepared store of each source of a mixture, with the weights of the
mixture.
"""

import dataclasses
from collections.abc import Sequence

from seqlab.data.files import identify
from seqlab.data.store import Store
from seqlab.data.tokenizers import Tokenizer
from seqlab.errors import UserError


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Stores that share one tokenizer; `vocab`, `eot`, `pad` and `labels` are those of each."""

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
    """The names of the classes, in the order of their numbers; empty where the source has no
    labels.
    """
    return self.stores[0].meta["labels"]

  @property
  def fingerprint(self) -> str:
    return corpus_fingerprint([store.fingerprint for store in self.stores], self.weights)

  def size(self, split: str) -> dict[str, int]:
    """Sums over the stores: tokens, documents, bytes, characters, unknown (tokens that stand for
    what is outside the vocabulary).
    """
    counted = ("tokens", "documents", "bytes", "characters", "unknown")
    return {name: sum(s.meta["splits"][split][name] for s in self.stores) for name in counted}


def corpus_fingerprint(stores: Sequence[str], weights: Sequence[float]) -> str:
  """From the fingerprints of its stores and their weights."""
  return identify(list(zip(stores, weights, strict=True)))
