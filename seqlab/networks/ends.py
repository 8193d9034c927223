"""What the data says of a network's two ends."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Ends:
  """Ids of a vocabulary, and how many more an objective adds; classes of an example or tags of its
  words, 0 for none, and whether the tags are a chain; the shape of an array.
  """

  vocab: int = 0
  added: int = 0
  classes: int = 0
  tags: int = 0
  crf: bool = False
  shape: tuple[int, ...] = ()
