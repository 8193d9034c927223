"""Lines that begin with their class: the form in which sets of sentences are passed around."""

from collections.abc import Iterator

from seqlab.data.documents import Document, Source
from seqlab.data.files import find, identify, opened, sha256_of
from seqlab.errors import UserError


def labelled(config_key: str, path: str | tuple = "", encoding: str = "utf-8") -> Source:
  """A class, a space and a text in each line.

  Raises:
    UserError: a line has no class or no text.
  """
  files = find(path, config_key)

  def documents() -> Iterator[Document]:
    for file, name in files:
      with opened(file, encoding, config_key) as lines:
        for number, line in enumerate(lines):
          label, _, text = line.strip().partition(" ")
          if not text:
            raise UserError(
              f"{config_key}: line {number + 1} of {file} is {line.strip()!r}; a class, a space "
              f"and a text are wanted"
            )
          yield Document(f"{name}#{number}", text, label)

  content = [(name, sha256_of(file)) for file, name in files]
  return Source(identify(("labelled", encoding, content)), documents)
