"""Errors that are a user's to mend: one line with the key, the value and what would be right.

The command line prints a `UserError` without a traceback and exits with code 2; anything else that
is raised is a bug of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
  """A mistake in what the user gave: config, file, data, checkpoint or mesh."""


def nearest(word: str, names: Iterable[str]) -> str:
  """Returns ' (did you mean NAME?)' for the closest of `names`, or '' where none is close."""
  close = difflib.get_close_matches(word, list(names), n=1, cutoff=0.5)
  return f" (did you mean {close[0]!r}?)" if close else ""
