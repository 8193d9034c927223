"""Two files that go line by line: the form in which translations are passed around."""

import itertools
from collections.abc import Iterator

from seqlab.data.documents import Document, Source
from seqlab.data.files import find, identify, opened, sha256_of
from seqlab.errors import UserError


def parallel(
  config_key: str, path: str | tuple = "", source: str | tuple = "", encoding: str = "utf-8"
) -> Source:
  """Two texts that go line by line: `path` holds what is to be written from the lines of `source`.
  Globs and tuples of files go file by file.

  Raises:
    UserError: one side has more files or lines than the other, or a line is empty.
  """
  for name, files in dict(path=path, source=source).items():
    if not files:
      raise UserError(f"{config_key}: parallel() lacks a side; write {name}='FILE'")
  targets, originals = (find(files, config_key) for files in (path, source))
  if len(targets) != len(originals):
    raise UserError(
      f"{config_key}: path={path!r} of parallel() gives {len(targets)} files and source={source!r} "
      f"{len(originals)}; the two must go file by file"
    )

  def documents() -> Iterator[Document]:
    for (target_file, name), (source_file, _) in zip(targets, originals, strict=True):
      yield from pairs(target_file, source_file, name)

  def pairs(target_file: str, source_file: str, name: str) -> Iterator[Document]:
    with (
      opened(target_file, encoding, config_key) as lines,
      opened(source_file, encoding, config_key) as sources,
    ):
      for number, pair in enumerate(itertools.zip_longest(lines, sources)):
        if None in pair:
          short = target_file if pair[0] is None else source_file
          raise UserError(
            f"{config_key}: {short} ends after {number} lines and the other file of parallel() "
            f"goes on; the two must go line by line"
          )
        text, original = (side.strip() for side in pair)
        if not text or not original:
          raise UserError(
            f"{config_key}: line {number + 1} of {source_file if text else target_file} is empty; "
            f"take the pair out of both files"
          )
        yield Document(f"{name}#{number}", text, source=original)

  content = [(name, sha256_of(file)) for found in (targets, originals) for file, name in found]
  return Source(identify(("parallel", encoding, content)), documents)
