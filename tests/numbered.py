"""A corpus whose token i is the number i: what a batch holds then says where it was read."""

import dataclasses

import numpy as np

from seqlab.data.corpus import Corpus


class NumberedTokens:
  """Documents of `lengths` tokens each (their end-of-text included), and the closing token."""

  dtype, pairs, vocab = np.dtype("<u4"), False, 10**6

  def __init__(self, lengths, labels=None):
    self.documents = np.cumsum([0, *lengths])
    self.count = int(self.documents[-1]) + 1
    self.labels = None if labels is None else np.array(labels, np.int32)

  def read(self, start, out):
    assert start >= 0 and start + len(out) <= self.count, "a read outside the stream"
    out[:] = np.arange(start, start + len(out))


@dataclasses.dataclass
class NumberedStore:
  splits: dict
  fingerprint: str = "numbered"

  @property
  def meta(self):
    sizes = {
      name: dict(tokens=t.count, documents=len(t.documents) - 1, bytes=0, characters=0, unknown=0)
      for name, t in self.splits.items()
    }
    return {"labels": [], "vocab": 10**6, "eot": 0, "pad": 999_999, "splits": sizes}

  def split(self, name):
    return self.splits[name]


PAD = 999_999


def numbered_corpus(*sources, weights=None, labels=None):
  """Each source is a sequence of document lengths, the same for training and validation."""
  stores = tuple(
    NumberedStore({name: NumberedTokens(lengths, labels) for name in ("train", "valid")})
    for lengths in sources
  )
  return Corpus(stores, tuple(weights or [1.0] * len(stores)))


def lengths(seed, documents, longest):
  return np.random.default_rng(seed).integers(1, longest, documents).tolist()
