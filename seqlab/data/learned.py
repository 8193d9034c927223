"""What a run keeps of its data in its own folder: its model is of use where the data is not.

tokenizer/    what `load_tokenizer` reads
data.json     vocab, eot, pad; labels, the names of the classes or tags in the order of their
              numbers; between, what stands between words with tags; fingerprint of the corpus;
              sources, each with its sha256
"""

import dataclasses
import json
import os
import pathlib

from seqlab.data.corpus import Corpus
from seqlab.data.tokenizers import Tokenizer, load_tokenizer, save_tokenizer
from seqlab.errors import UserError

FILE, TOKENIZER = "data.json", "tokenizer"


@dataclasses.dataclass(frozen=True)
class Learned:
  """What ids and class numbers mean to a model, and which corpus (`fingerprint`) taught it them."""

  tokenizer: Tokenizer
  labels: list[str]
  fingerprint: str
  between: str | None = None

  @property
  def vocab(self) -> int:
    return self.tokenizer.vocab


def learned_from(corpus: Corpus) -> Learned:
  return Learned(corpus.tokenizer, corpus.labels, corpus.fingerprint, corpus.between)


def save_learned(corpus: Corpus, folder: pathlib.Path) -> None:
  """Writes tokenizer/ and data.json into the folder of a run."""
  save_tokenizer(corpus.tokenizer, folder / TOKENIZER)
  said = dict(
    vocab=corpus.vocab,
    eot=corpus.eot,
    pad=corpus.pad,
    labels=corpus.labels,
    between=corpus.between,
    fingerprint=corpus.fingerprint,
    sources=[
      dict(source=store.meta["source"], sha256=store.meta["source_sha256"])
      for store in corpus.stores
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
    tokenizer = load_tokenizer(folder / TOKENIZER)
    return Learned(tokenizer, said["labels"], said["fingerprint"], said.get("between"))
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise UserError(f"{path}: unreadable ({error}); `seqlab train` writes it again") from None
