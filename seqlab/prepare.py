"""`seqlab prepare`: text into token stores, once. Training calls `prepare` too and finds what is
there.

A store is found again by the content of its source, its cleaning, the split and the tokenizer, so
changing any of them prepares anew and changing back costs nothing. A tokenizer that is trained sees
the training text alone.
"""

import contextlib
import functools
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from seqlab.data.array_sources import gives_arrays, read_arrays
from seqlab.data.cleaning.pipeline import build_pipeline
from seqlab.data.corpus import Corpus, corpus_fingerprint
from seqlab.data.documents import Document
from seqlab.data.durable import one_writer
from seqlab.data.files import identify
from seqlab.data.learned import Known
from seqlab.data.sources import Source, build_sources
from seqlab.data.split import Split, build_split
from seqlab.data.store import FORMAT, Store
from seqlab.data.synthetic import gives_tasks, read_tasks
from seqlab.data.tokenizers import Tokenizer
from seqlab.data.vocabulary import Plan, plan_tokenizer
from seqlab.data.writer import write_store

Tell = Callable[[str], None]


def prepare(
  source: str,
  tokenizer: str = "bytes()",
  valid: str = "hash(fraction=0.1)",
  store: str = "",
  tell: Tell | None = None,
  learned: Tokenizer | None = None,
  labels: Sequence[str] = (),
  clean: str = "",
  key: str = "config.data.source",
) -> Corpus:
  """Returns the prepared corpus of the specs; writes the stores that are not there yet.

  `store` is the folder of all stores: by default $SEQLAB_DATA, else ~/.cache/seqlab/data. `tell`
  gets one line per thing done; by default they go to stderr. `learned` is what `tokenizer` has
  become on these very sources, so that it is not trained again; `labels` are the classes where
  others have numbered them; `clean` is the spec of what is done to texts before the split; `key` is
  what errors call the source.

  Raises:
    UserError: anything wrong with the specs, the files, the text or the folder.
  """
  tell = tell or (lambda line: print(line, file=sys.stderr, flush=True))
  sources, splits = _members(source, valid, clean, key)
  plan = plan_tokenizer(tokenizer)
  root = store_root(store)
  folders = [root / name for name in _names(sources, splits, plan)]
  stores = []
  for member, part, folder in zip(sources, splits, folders, strict=True):
    original = member.origin or member
    about: dict[str, Any] = {"source": member.description, "source_sha256": original.fingerprint}
    about |= {"valid": valid, "tokenizer": tokenizer}
    if clean:
      left_out = {read.description: read.dropped for read in (member, *part.sources)}
      about |= {"clean": clean, "left_out": left_out}  # counted while the store is written
    if _there(folder):
      tell(f"data: reusing {folder} ({member.description})")
    else:
      waiting = f"data: another process is preparing {member.description}; waiting for it"
      with one_writer(root, folder.name, functools.partial(tell, waiting)):
        if not _there(folder):  # it may have come while we waited
          made = learned or _tokenizer(plan, folders, sources, splits)
          with _progress(f"preparing {member.description}") as progress:
            write_store(
              root, folder.name, made, part.pairs(member), about, progress, part.names, key
            )
          tell(f"data: prepared {folder} ({member.description})")
          for read in (member, *part.sources):
            if said := _dropped(read.dropped):
              tell(f"data: cleaning left out {said} of {read.description}")
    made_here = Store(folder)
    stores.append(made_here.numbered(labels, key) if labels else made_here)
  return Corpus(tuple(stores), tuple(member.weight for member in sources))


def data_of(config: Any, tell: Tell | None = None, learned: Tokenizer | None = None) -> Known:
  """The data of a config: its text, prepared, its arrays or its tasks."""
  data = config.data
  if gives_arrays(data.source):
    return read_arrays(data.source, data.valid)
  if gives_tasks(data.source):
    return read_tasks(data.source, data.valid, config.length)
  return prepare(
    data.source, data.tokenizer, data.valid, data.store, tell, learned, clean=data.clean
  )


def fingerprint(source: str, tokenizer: str, valid: str, clean: str = "") -> str:
  """That of the data that `data_of` would return of texts or arrays; nothing is prepared."""
  if gives_arrays(source):
    return read_arrays(source, valid).fingerprint
  sources, splits = _members(source, valid, clean)
  names = _names(sources, splits, plan_tokenizer(tokenizer))
  return corpus_fingerprint(names, [member.weight for member in sources])


def split_names(valid: str) -> tuple[str, ...]:
  """The splits that a spec of `config.data.valid` makes."""
  return build_split(valid).names


def texts(source: str, valid: str, split: str, clean: str = "") -> Iterator[str]:
  """The texts of a split, cleaned, before any tokenizer: what a baseline is computed on."""
  return (document.text for document in documents(source, valid, split, clean))


def documents(
  source: str, valid: str, split: str, clean: str = "", key: str = "config.data.source"
) -> Iterator[Document]:
  """The documents of a split, cleaned, in the order of the source, which errors call `key`."""
  for member, part in zip(*_members(source, valid, clean, key), strict=True):
    yield from part.documents(member, split)


def store_root(store: str = "") -> pathlib.Path:
  """The folder that holds all stores."""
  chosen = store or os.environ.get("SEQLAB_DATA") or "~/.cache/seqlab/data"
  return pathlib.Path(os.path.abspath(os.path.expanduser(chosen)))


def run(config: Any, inspect: bool = False) -> None:
  """The command: prepares `config.data`, checks every file's sha256 and prints what there is; with
  `inspect` also what its texts, its vocabulary and its cleaning are like.
  """
  from seqlab import inspection

  data, corpus = config.data, data_of(config)
  if not isinstance(corpus, Corpus):
    print("\n".join(f"{name}: {about}" for name, about in corpus.about().items()))
    return
  for store, source in zip(corpus.stores, build_sources(data.source), strict=True):
    store.verify()
    inspection.overview(store)
    if inspect:
      inspection.detail(store, build_pipeline(data.clean).trace(source))


def _members(
  source: str, valid: str, clean: str, key: str = "config.data.source"
) -> tuple[list[Source], list[Split]]:
  """The cleaned sources, each with its split. Validation text is read first where cleaning
  remembers, so that a copy of it goes out of the training text and not the other way about.
  """
  pipeline = build_pipeline(clean)
  split = build_split(valid, clean=pipeline.sources)
  sources = pipeline.sources(build_sources(source, key), before=split.sources)
  return sources, [split.of_member(number) for number in range(len(sources))]


def _names(sources: list[Source], splits: list[Split], plan: Plan) -> list[str]:
  """The fingerprint of each store, which is the name of its folder."""
  vocabulary = plan.fingerprint([s.fingerprint for s in sources] + [p.fingerprint for p in splits])
  return [
    identify([FORMAT, s.fingerprint, p.fingerprint, vocabulary])[:32]
    for s, p in zip(sources, splits, strict=True)
  ]


def _dropped(dropped: dict[str, int]) -> str:
  """How many texts each step of cleaning left out, in words; '' for none."""
  parts = (f"{count:,} by {name}" for name, count in dropped.items())
  return ", ".join(parts)


def _there(folder: pathlib.Path) -> bool:
  return (folder / "meta.json").exists()


def _tokenizer(
  plan: Plan, folders: list[pathlib.Path], sources: list[Source], splits: list[Split]
) -> Tokenizer:
  """That of a store of this mixture which is already there, else a new one."""
  for folder in folders:
    if _there(folder):
      return Store(folder).tokenizer
  with _progress("learning the vocabulary"):
    return plan.make([_reader(s, p) for s, p in zip(sources, splits, strict=True)])


def _reader(source: Source, split: Split) -> Callable[[], Iterator[str]]:
  return lambda: (text for d in split.documents(source, "train") for text in d.texts())


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
  """A line that shows the text done, on a terminal only."""
  from rich.console import Console
  from rich.markup import escape

  console = Console(stderr=True)
  with console.status(escape(what)) as status:
    yield lambda done: status.update(f"{escape(what)}: {done / 1e6:.0f} MB of text")
