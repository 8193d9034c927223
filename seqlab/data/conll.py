"""Tagged words as CoNLL's shared tasks pass them around: a word and its tags a line, a blank line
between sentences.
"""

from collections.abc import Iterator

from seqlab.data.documents import Document, Source
from seqlab.data.files import find, identify, opened, sha256_of
from seqlab.data.tags import BIO, in_scheme, may_follow, tagged_document
from seqlab.errors import UserError, nearest

SCHEMES = ("bio", "any")


def conll(
  config_key: str,
  path: str | tuple = "",
  column: int = -1,
  between: str = " ",
  scheme: str = "bio",
  encoding: str = "utf-8",
) -> Source:
  """Columns parted by white space, the word in the first; a sentence is a document.

  column: of the tag, from 0; -1 is the last. between: what stands between words in the text, ''
  for Chinese. scheme: "bio" holds the tags to it, "any" takes what there is, such as parts of
  speech. Lines that begin with -DOCSTART- are left out.

  Raises:
    UserError: a line without that column, or a tag outside the scheme, with the file and line.
  """
  if scheme not in SCHEMES:
    raise UserError(
      f"{config_key}: scheme={scheme!r} of conll() must be one of {', '.join(SCHEMES)}"
      f"{nearest(scheme, SCHEMES)}"
    )
  if between not in ("", " "):
    raise UserError(f"{config_key}: between={between!r} of conll() must be ' ' or ''")
  files = find(path, config_key)

  def documents() -> Iterator[Document]:
    for file, name in files:
      with opened(file, encoding, config_key) as stream:
        for number, (words, tags) in enumerate(sentences(stream, file)):
          yield tagged_document(f"{name}#{number}", words, tags, between)

  def sentences(stream: Iterator[str], file: str) -> Iterator[tuple[list[str], list[str]]]:
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(stream):
      cells = line.split()
      if cells and cells[0] != "-DOCSTART-":
        words.append(cells[0])
        tags.append(tag_of(cells, tags[-1] if tags else None, f"{file} line {number + 1}"))
      elif words:
        yield words, tags
        words, tags = [], []
    if words:
      yield words, tags

  def tag_of(cells: list[str], before: str | None, where: str) -> str:
    if not -len(cells) <= column < len(cells) or len(cells) < 2:
      raise UserError(
        f"{config_key}: {where} has {len(cells)} columns; column={column} of conll() is to hold "
        f"the tag of the word in the first"
      )
    tag = cells[column]
    if scheme == "bio" and not in_scheme(tag):
      raise UserError(
        f"{config_key}: {where} has the tag {tag!r}, which is outside the scheme: {BIO} is wanted; "
        f"scheme='any' takes all tags"
      )
    if scheme == "bio" and not may_follow(before, tag):
      raise UserError(
        f"{config_key}: {where} has the tag {tag!r} {f'after {before!r}' if before else 'first'}; "
        f"a span begins with 'B-{tag[2:]}'"
      )
    return tag

  content = [(name, sha256_of(file)) for file, name in files]
  return Source(identify(("conll", column, between, scheme, encoding, content)), documents)
