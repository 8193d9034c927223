"""What a run keeps of its data in its own folder: its model is of use where the data is not.

tokenizer/    what `load_tokenizer` reads; where the data is text
data.json     labels, the names of the classes or tags in the order of their numbers; fingerprint of
              the data; vocab, eot, pad and the sources of text, each with its sha256, what stands
              `between` words with tags, and whether texts come in `pairs`; shapes of arrays
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from seqlab.data.arrays import Arrays
from seqlab.data.corpus import Corpus
from seqlab.data.synthetic import Tasks
from seqlab.data.tokenizers import Tokenizer, load_tokenizer, save_tokenizer
from seqlab.errors import UserError

FILE, TOKENIZER = "data.json", "tokenizer"
Known = Corpus | Arrays | Tasks  # what a run may be trained on


@dataclasses.dataclass(frozen=True)
class Learned:
  """What ids and class numbers mean to a model, or how its arrays look, and which data
  (`fingerprint`) taught it them.

  shapes: of one example, by the names of a batch; empty where the data is text. between: what
    stands between words that have tags; None where they have none. pairs: texts come in pairs.
  """

  labels: list[str]
  fingerprint: str
  text: Tokenizer | None = None
  shapes: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
  between: str | None = None
  pairs: bool = False

  @property
  def tokenizer(self) -> Tokenizer:
    """Of text; a network of arrays is never asked for it."""
    assert self.text is not None
    return self.text


def learned_from(data: Known) -> Learned:
  if isinstance(data, Arrays):
    return Learned(data.labels, data.fingerprint, shapes=data.shapes)
  return Learned(
    data.labels, data.fingerprint, data.tokenizer, between=data.between, pairs=data.pairs
  )


def save_learned(data: Known, folder: pathlib.Path) -> None:
  """Writes tokenizer/ and data.json into the folder of a run."""
  said: dict[str, Any] = dict(labels=data.labels, fingerprint=data.fingerprint)
  if isinstance(data, Arrays):
    said["shapes"] = data.shapes
  else:
    save_tokenizer(data.tokenizer, folder / TOKENIZER)
    said |= dict(
      vocab=data.vocab,
      eot=data.eot,
      pad=data.pad,
      between=data.between,
      pairs=data.pairs,
      sources=[
        dict(source=store.meta["source"], sha256=store.meta["source_sha256"])
        for store in data.stores
      ],
    )
  whole = folder / f"{FILE}.tmp"
  whole.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
  os.replace(whole, folder / FILE)


def load_learned(folder: pathlib.Path) -> Learned | None:
  """What `save_learned` wrote; None in the folder of a run from before there was data.json.

  Raises:
    UserError: it is damaged.
  """
  path = folder / FILE
  if not path.exists():
    return None
  try:
    said = json.loads(path.read_text(encoding="utf-8"))
    shapes = {name: tuple(shape) for name, shape in said.get("shapes", {}).items()}
    text = None if shapes else load_tokenizer(folder / TOKENIZER)
    of_text = said.get("between"), said.get("pairs", False)
    return Learned(said["labels"], said["fingerprint"], text, shapes, *of_text)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise UserError(f"{path}: unreadable ({error}); `seqlab train` writes it again") from None
