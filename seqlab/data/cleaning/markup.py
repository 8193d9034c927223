"""Text out of HTML."""

from html.parser import HTMLParser

from seqlab.data.cleaning.base import Step

_UNREAD = ("script", "style")
# tags inside a line; any other tag is the end of one
_INLINE = """
a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark q s samp small span
strike strong sub sup time tt u var wbr
"""


_INLINES = frozenset(_INLINE.split())


def html(config_key: str) -> Step:
  """Without tags and comments, entities decoded; what scripts and styles hold goes with them. A tag
  inside a line leaves nothing, any other one a line end. A `<` that opens no tag is text.
  """
  return Step(_text_of)


def _text_of(text: str) -> str:
  if "<" not in text and "&" not in text:
    return text
  reader = _Reader()
  reader.feed(text)
  reader.close()
  return "".join(reader.parts).strip("\n")


class _Reader(HTMLParser):
  def __init__(self) -> None:
    super().__init__(convert_charrefs=True)
    self.parts: list[str] = []
    self._unread = 0  # depth in elements whose content is no text

  def handle_data(self, data: str) -> None:
    if not self._unread:
      self.parts.append(data)

  def handle_starttag(self, tag: str, attrs: list) -> None:
    self._unread += tag in _UNREAD
    self._end_line(tag)

  def handle_startendtag(self, tag: str, attrs: list) -> None:
    self._end_line(tag)

  def handle_endtag(self, tag: str) -> None:
    self._unread -= tag in _UNREAD and self._unread > 0
    self._end_line(tag)

  def _end_line(self, tag: str) -> None:
    if tag not in _INLINES and self.parts and not self.parts[-1].endswith("\n"):
      self.parts.append("\n")
