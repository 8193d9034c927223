"""Cleaning that looks at characters alone: text to text, no language, no dictionary."""

from seqlab.data.cleaning.base import Step


def lower(config_key: str) -> Step:
  """Small letters."""
  return Step(str.lower)
