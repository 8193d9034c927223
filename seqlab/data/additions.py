"""Sums to be written: the task of sequence-to-sequence tutorials, made here."""

from collections.abc import Iterator

import numpy as np

from seqlab.data.documents import Document, Source
from seqlab.data.files import identify
from seqlab.errors import UserError


def additions(config_key: str, digits: int = 3, count: int = 50_000, seed: int = 0) -> Source:
  """`count` different sums of two numbers of at most `digits` digits: "408" from "97+311"."""
  pairs = 10 ** (2 * digits) if 1 <= digits <= 9 else 0
  if not 1 <= count <= pairs or seed < 0:
    raise UserError(
      f"{config_key}: additions(digits={digits}, count={count}, seed={seed}): 1 to 9 digits, 1 to "
      f"100 ** digits sums and a seed of 0 or more are wanted"
    )

  def documents() -> Iterator[Document]:
    draw = np.random.Generator(np.random.PCG64(seed))
    seen: set[int] = set()
    while len(seen) < count:
      for pair in draw.integers(0, pairs, count).tolist():
        if pair in seen or len(seen) == count:
          continue
        seen.add(pair)
        one, other = divmod(pair, 10**digits)
        yield Document(f"{one}+{other}", str(one + other), source=f"{one}+{other}")

  return Source(identify(("additions", digits, count, seed)), documents)
