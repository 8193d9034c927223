"""Texts that a command is given, as a trained model reads them."""

from collections.abc import Iterator, Sequence

import numpy as np

from seqlab.errors import UserError
from seqlab.trained import Trained, cleaning

_ROUND = 16


def cleaned(run: Trained, texts: Sequence[str]) -> list[str]:
  """Texts cleaned as the run's were."""
  clean = cleaning(run)
  return [clean.text(text) for text in texts]


def encoded(run: Trained, texts: Sequence[str], what: str, most: int = 0) -> list[np.ndarray]:
  """End-of-text and the tokens of each text, int32, `most` (0 for a row of the model) at most.

  Raises:
    UserError: a text is empty or longer; `what` it is stands in front of it.
  """
  tokenizer, most = run.learned.tokenizer, most or run.config.length
  found = []
  for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
    if not 1 <= len(ids) < most:
      raise UserError(f"{what}{text[:40]!r} has {len(ids)} tokens; 1 to {most - 1} are wanted")
    found.append(np.append(tokenizer.eot, ids).astype(np.int32))
  return found


def alike(sizes: Sequence[int], rows: int) -> Iterator[tuple[list[int], tuple[int, int]]]:
  """Numbers of sequences, those of like length together, and the (rows, columns) of an array that
  holds them: `rows` where there is more than one such batch, and columns so rounded that lengths
  share a program.
  """
  order = sorted(range(len(sizes)), key=lambda i: sizes[i])
  for start in range(0, len(order), rows):
    here = order[start : start + rows]
    longest = max(sizes[i] for i in here)
    yield here, (rows if len(order) > rows else len(here), -(-longest // _ROUND) * _ROUND)
