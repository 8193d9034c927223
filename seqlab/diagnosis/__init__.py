"""What a run needs of a machine, each tried once: a check says what it found, or raises Failed."""


class Failed(Exception):
  """What a run needs does not hold here, in one line."""
