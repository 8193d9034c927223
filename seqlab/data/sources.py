"""Where text comes from: `config.data.source`, one call per source, `|` between the sources of a
mixture.

A source yields documents in a fixed order and has a fingerprint of its *content*, by which a
prepared store is found again. Plain, .gz and .xz files are read as they are; `path` is a file, a
glob or a tuple of them. txt, jsonl and csv are streamed by the standard library, which keeps line
ends and writes no Arrow copy; parquet and the hub go through HF `datasets`, imported only then.
"""

import csv as csv_module
import dataclasses
import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from seqlab.data.additions import additions
from seqlab.data.conll import conll
from seqlab.data.documents import Document, Source, row_document
from seqlab.data.embedded import library_files
from seqlab.data.entities import entities
from seqlab.data.files import find, identify, opened, sha256_of
from seqlab.data.labelled import labelled
from seqlab.data.oracle import oracle
from seqlab.data.parallel import parallel
from seqlab.errors import UserError, nearest
from seqlab.spec import Call, make, parse


def build_sources(text: str, key: str = "config.data.source") -> list[Source]:
  """Builds the sources of a spec such as `"text(path='a.txt', weight=2.0) |
  jsonl(path='b.jsonl.xz')"`.

  Every member takes `weight`, its share of the rows of a mixture relative to the other members'.

  Raises:
    UserError: an unknown source or argument, or a file that is not there.
  """
  built = []
  for call in parse(text, key):
    kwargs = dict(call.kwargs)
    weight = kwargs.pop("weight", 1.0)
    if not isinstance(weight, int | float) or not 0 < weight < float("inf"):
      raise UserError(f"{key}: weight={weight!r} of {call.name}() must be a number above 0")
    plain = Call(call.name, kwargs)
    source = make(plain, SOURCES, key, config_key=key)
    built.append(dataclasses.replace(source, description=str(plain), weight=float(weight)))
  return built


def embedded(config_key: str, megabytes: float | None = None) -> Source:
  """The Python library's own code and docstrings, at most about `megabytes` of them."""
  if megabytes is not None and not megabytes > 0:
    raise UserError(f"{config_key}: megabytes={megabytes!r} of embedded() must be above 0")
  digest = hashlib.sha256()
  for name, text in library_files(megabytes):
    digest.update(f"{name}\0{text}\0".encode())
  return Source(
    digest.hexdigest(), lambda: (Document(name, text) for name, text in library_files(megabytes))
  )


def text(
  config_key: str, path: str | tuple = "", documents: str = "file", encoding: str = "utf-8"
) -> Source:
  """Plain text; a document is a whole file, a paragraph (blank lines between) or a line."""
  cut = {
    "file": lambda stream: iter([stream.read()]),
    "paragraph": lambda stream: iter(re.split(r"(?:\r?\n[ \t]*){2,}", stream.read())),
    "line": lambda stream: (line.rstrip("\r\n") for line in stream),
  }
  if documents not in cut:
    raise UserError(
      f"{config_key}: documents={documents!r} of text() must be one of {', '.join(cut)}"
      f"{nearest(str(documents), cut)}"
    )

  def read(file: str, name: str) -> Iterator[Document]:
    with opened(file, encoding, config_key) as stream:
      for number, piece in enumerate(cut[documents](stream)):
        yield Document(name if documents == "file" else f"{name}#{number}", piece)

  return _from_files(config_key, path, read, "text", documents, encoding)


def jsonl(
  config_key: str,
  path: str | tuple = "",
  field: str | tuple = "text",
  label: str | None = None,
  source: str | None = None,
) -> Source:
  """One JSON object per line; `field` names the text, or a tuple of fields joined by a line end,
  and `source` what the text is to be written from.
  """

  def read(file: str, name: str) -> Iterator[Document]:
    with opened(file, "utf-8", config_key) as stream:
      for number, line in enumerate(stream):
        if not line.strip():
          continue
        try:
          row = json.loads(line)
        except json.JSONDecodeError as error:
          raise UserError(
            f"{config_key}: {file} line {number + 1} is not JSON ({error.msg})"
          ) from None
        if not isinstance(row, dict):
          raise UserError(f"{config_key}: {file} line {number + 1} is not a JSON object")
        yield row_document(config_key, file, f"{name}#{number}", row, field, label, source)

  return _from_files(config_key, path, read, "jsonl", field, label, *_side(source))


def csv(
  config_key: str,
  path: str | tuple = "",
  field: str | tuple = "text",
  label: str | None = None,
  source: str | None = None,
  delimiter: str = ",",
  columns: tuple[str, ...] | None = None,
  encoding: str = "utf-8",
) -> Source:
  """A table with a header line, or with `columns` named here where it has none.

  Quotes are read as in RFC 4180, except where the delimiter is a tab: there, by custom, they are
  text.
  """
  if not isinstance(delimiter, str) or len(delimiter) != 1:
    raise UserError(f"{config_key}: delimiter={delimiter!r} of csv() must be one character")
  quoting: Any = csv_module.QUOTE_NONE if delimiter == "\t" else csv_module.QUOTE_MINIMAL

  def read(file: str, name: str) -> Iterator[Document]:
    csv_module.field_size_limit(sys.maxsize)  # the default refuses texts above 128 KiB
    with opened(file, encoding, config_key) as stream:
      table = csv_module.DictReader(
        stream, fieldnames=columns, delimiter=delimiter, quoting=quoting
      )
      for number, row in enumerate(table):
        row.pop(None, None)  # cells beyond the header's
        yield row_document(config_key, file, f"{name}#{number}", row, field, label, source)

  given = ("csv", field, label, delimiter, columns, encoding, *_side(source))
  return _from_files(config_key, path, read, *given)


def parquet(
  config_key: str,
  path: str | tuple = "",
  field: str | tuple = "text",
  label: str | None = None,
  source: str | None = None,
) -> Source:
  """Parquet files, streamed, so that no Arrow copy is written to the HF cache."""

  def read(file: str, name: str) -> Iterator[Document]:
    import datasets

    try:
      table = datasets.load_dataset("parquet", data_files=[file], split="train", streaming=True)
      rows = iter(table)
      row = next(rows, None)
    except (
      Exception
    ) as error:  # pyarrow and datasets raise many kinds for a file that is not parquet
      raise UserError(f"{config_key}: {file} is not a readable parquet file ({error})") from None
    number = 0
    while row is not None:
      yield row_document(config_key, file, f"{name}#{number}", row, field, label, source)
      row, number = next(rows, None), number + 1

  return _from_files(config_key, path, read, "parquet", field, label, *_side(source))


def hub(
  config_key: str,
  path: str = "",
  config: str | None = None,
  split: str = "train",
  field: str | tuple = "text",
  label: str | None = None,
  source: str | None = None,
  revision: str | None = None,
) -> Source:
  """A data set of the HF hub. Its fingerprint is this call: give `revision` to pin what is behind
  it.
  """

  @functools.cache
  def table() -> Any:
    import datasets

    try:
      return datasets.load_dataset(path, config, split=split, revision=revision)
    except Exception as error:  # offline, no such set, no such split: the hub's own words say which
      reason = " ".join(str(error).split())[:300]
      raise UserError(
        f"{config_key}: hub(path={path!r}, split={split!r}) cannot be had: {reason}"
      ) from None

  def documents() -> Iterator[Document]:
    for number, row in enumerate(table()):
      yield row_document(config_key, path, f"{path}#{number}", row, field, label, source)

  given = ("hub", path, config, split, field, label, revision, *_side(source))
  return Source(identify(given), documents)


SOURCES: dict[str, Callable[..., Source]] = {
  "embedded": embedded,
  "text": text,
  "jsonl": jsonl,
  "csv": csv,
  "parquet": parquet,
  "hub": hub,
  "labelled": labelled,
  "parallel": parallel,
  "conll": conll,
  "entities": entities,
  "additions": additions,
  "oracle": oracle,
}


def _side(source: str | None) -> tuple:
  """What a source's identity says of a second side; nothing where there is none, so that stores
  from before there were pairs are found again.
  """
  return () if source is None else ("source", source)


def _from_files(
  config_key: str, path: Any, read: Callable[[str, str], Iterator[Document]], *given: Any
) -> Source:
  """A source of local files; its identity is their names, their bytes and how they are read."""
  files = find(path, config_key)
  content = [(name, sha256_of(file)) for file, name in files]

  def documents() -> Iterator[Document]:
    for file, name in files:
      yield from read(file, name)

  return Source(identify((given, content)), documents)
