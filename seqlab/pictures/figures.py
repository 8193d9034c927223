"""What all figures need: a canvas without a window, and letters that the fonts of this machine
have.
"""

import contextlib
import functools
import io
import logging
from collections.abc import Iterator, Sequence
from typing import Any

# Fonts with Chinese characters, of which a machine may have one.
_WIDE = (
  *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei"),
  *("WenQuanYi Zen Hei", "SimHei", "PingFang SC", "Microsoft YaHei", "Arial Unicode MS"),
)

_log = logging.getLogger("seqlab")


@contextlib.contextmanager
def figure(width: float, height: float) -> Iterator[Any]:
  """A figure of so many inches, in whose block text is set in the fonts there are."""
  from matplotlib import rc_context
  from matplotlib.figure import Figure

  with rc_context({"font.sans-serif": ["DejaVu Sans", *_fonts()[0]]}):
    yield Figure(figsize=(width, height), layout="constrained")


def png(drawn: Any, dpi: int = 100) -> bytes:
  out = io.BytesIO()
  drawn.savefig(out, format="png", dpi=dpi)
  return out.getvalue()


def legible(labels: Sequence[str]) -> list[str]:
  """The labels, those with letters that no font here has as #NUMBER from 0; the first such one is
  warned of.
  """
  glyphs, found = _fonts()[1], []
  for number, label in enumerate(labels):
    there = all(ord(letter) in glyphs for letter in label)
    if not there:
      _warn_once()
    found.append(label.replace("$", r"\$") if there else f"#{number}")  # $ would be mathematics
  return found


@functools.cache
def _fonts() -> tuple[tuple[str, ...], frozenset[int]]:
  """The wide fonts that are installed, and the letters that they and the standard one have."""
  from matplotlib import font_manager

  wide = tuple(font for font in _WIDE if font in font_manager.get_font_names())
  files = (font_manager.findfont(font) for font in ("DejaVu Sans", *wide))
  return wide, frozenset(
    code for file in files for code in font_manager.get_font(file).get_charmap()
  )


@functools.cache
def _warn_once() -> None:
  _log.warning(
    "seqlab: some labels have letters that no font here has (Noto Sans CJK has Chinese); in "
    "pictures they stand as their numbers, #0 being the first"
  )
