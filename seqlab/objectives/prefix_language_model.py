"""The rest of a text from its beginning, which is read on both sides (arXiv:1910.10683, section
3.2.3), in nats per token told.

The batch is that of `language_model` and `prefix_BT`, 1 on the beginning, where the weight is 0.
"""

from typing import ClassVar

from seqlab.objectives.base import Network
from seqlab.objectives.sequence_to_sequence import SequenceToSequence


class PrefixLanguageModel(SequenceToSequence):
  """Where a text is cut is drawn with its row."""

  rows: ClassVar[str] = "prefixes"
  whole_text: bool = False
  writes: str = "continuations"

  def __init__(self, network: Network):
    super().__init__(network)
