"""What leaves documents out: by length, and because another one says the same."""

import hashlib
import zlib
from collections.abc import Callable

import numpy as np

from seqlab.data.cleaning.base import Step, Turn, package
from seqlab.data.documents import Document
from seqlab.errors import UserError, nearest

_SIZES: dict[str, Callable[[str], int]] = {
  "characters": len,
  "words": lambda text: len(text.split()),
}


def length(config_key: str, min: int = 1, max: int | None = None, unit: str = "characters") -> Step:
  """Texts of `min` to `max` characters, or words that are separated by white space; of a pair, both
  sides.
  """
  if unit not in _SIZES:
    raise UserError(
      f"{config_key}: unit={unit!r} of length() must be one of {', '.join(_SIZES)}"
      f"{nearest(unit, _SIZES)}"
    )
  if min < 0 or (max is not None and max < min):
    raise UserError(
      f"{config_key}: min={min}, max={max} of length() leave nothing; 0 <= min <= max is wanted"
    )
  size = _SIZES[unit]

  def turn(document: Document) -> list[Document]:
    sizes = [size(text) for text in document.texts()]
    fits = all(min <= one and (max is None or one <= max) for one in sizes)
    return [document] if fits else []

  return Step(begin=lambda: turn)


def deduplicate(config_key: str) -> Step:
  """The first of the documents whose text (of a pair, both texts) is the same, whatever its label.
  Remembers 16 bytes a document.
  """

  def begin() -> Turn:
    seen: set[bytes] = set()

    def turn(document: Document) -> list[Document]:
      text = "\0".join(document.texts()).encode()
      digest = hashlib.blake2b(text, digest_size=16).digest()
      if digest in seen:
        return []
      seen.add(digest)
      return [document]

    return turn

  return Step(begin=begin, remembers=True)


def near_deduplicate(
  config_key: str, threshold: float = 0.8, shingle: int = 5, permutations: int = 128
) -> Step:
  """The first of the documents of which runs of `shingle` characters have a Jaccard similarity of
  `threshold` or more, as MinHash estimates it with so many permutations: its standard error is at
  most 0.5 / sqrt(permutations). Of pairs right at the threshold 2 in 100 go unseen, of closer ones
  next to none. Remembers about 12 bytes a permutation and document.

  References: Broder 1997 (MinHash); Leskovec et al., Mining of Massive Datasets, chapter 3 (LSH).
  """
  if not 0 < threshold <= 1:
    raise UserError(
      f"{config_key}: threshold={threshold} of near_deduplicate() must be above 0 and at most 1"
    )
  if shingle < 1 or permutations < 2:
    raise UserError(
      f"{config_key}: shingle={shingle}, permutations={permutations} of near_deduplicate(): "
      f"1 and 2 or more are wanted"
    )

  def begin() -> Turn:
    datasketch = package("datasketch", "near_deduplicate()", config_key)
    # what it brings up is looked at again below, so it may bring up too much but not too little
    index = datasketch.MinHashLSH(threshold, permutations, weights=(0.02, 0.98))
    kept: list[np.ndarray] = []

    def turn(document: Document) -> list[Document]:
      hashed = datasketch.MinHash(permutations, hashfunc=zlib.crc32)
      hashed.update_batch(_shingles("\0".join(document.texts()), shingle))
      digest = hashed.digest().astype("<u4")
      if any((kept[i] == digest).mean() >= threshold for i in index.query(hashed)):
        return []
      index.insert(len(kept), hashed)
      kept.append(digest)
      return [document]

    return turn

  return Step(begin=begin, remembers=True, version=2)


def _shingles(text: str, size: int) -> list[bytes]:
  """The distinct runs of `size` characters; a shorter text is one."""
  starts = range(max(len(text) - size + 1, 1))
  return [run.encode() for run in {text[i : i + size] for i in starts}]
