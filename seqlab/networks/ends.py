"""What the data says of a network's two ends."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Ends:
  """Ids of a vocabulary; classes, 0 for none; the shape of an array."""

  vocab: int = 0
  classes: int = 0
  shape: tuple[int, ...] = ()
