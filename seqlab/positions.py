"""How many positions the model of a config can tell apart."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from seqlab.errors import UserError
from seqlab.nn.mixers import MIXERS
from seqlab.spec import make, parse

XPOS = 30_000  # positions over their scale, up to which the factors of xPos are numbers


def check_positions(config: Mapping[str, Any], key: str, source: str, columns: int) -> None:
  """Refuses rows of so many `columns` that are longer than the positions that the model tells."""
  most, why = positions(config)
  if columns > most:
    raise UserError(f"{key}={source!r}: rows of {columns} tokens, and {why}")


def positions(config: Mapping[str, Any]) -> tuple[float, str]:
  """(how many positions the model can tell apart, why there are no more)."""
  found: list[tuple[float, str]] = [(math.inf, "")]
  if config["model"]["learned_positions"]:
    length = config["length"]
    found.append((length, f"positions are learned up to config.length={length}"))
  for call in parse(config["model"]["mixer"], "config.model.mixer"):
    for scale in _scales_of_xpos(make(call, MIXERS, "config.model.mixer")):
      most = XPOS * scale
      said = f"positions='xpos' of config.model.mixer end at {most:,.0f}, where float32 does"
      found.append((most, said))
  return min(found)


def _scales_of_xpos(mixer: Any) -> Iterator[float]:
  """The scales of xPos in a mixer and its parts; none that its own check refuses."""
  if getattr(mixer, "positions", "") == "xpos" and mixer.rope_scale > 0:
    yield mixer.rope_scale
  for side in ("left", "right"):
    if hasattr(mixer, side):
      yield from _scales_of_xpos(getattr(mixer, side))
