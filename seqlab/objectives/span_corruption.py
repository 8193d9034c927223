"""What stood in the spans of a text that sentinels replace (T5, arXiv:1910.10683, section 3.1.4),
in nats per target token, sentinels and end-of-text among them.

The batch is that of `sequence_to_sequence`; the rows "spans" make it of plain text.
"""

from typing import ClassVar

from seqlab.objectives.base import Network
from seqlab.objectives.sequence_to_sequence import SequenceToSequence


class SpanCorruption(SequenceToSequence):
  """rate, span: share of the tokens in spans and their mean length, for the rows. sentinels: ids
  that the network has beside the tokenizer's, which no text comes from.
  """

  rows: ClassVar[str] = "spans"
  whole_text: bool = False
  writes: str = ""

  def __init__(self, network: Network, rate: float = 0.15, span: float = 3.0, sentinels: int = 100):
    super().__init__(network)
    self.rate, self.span, self.sentinels = rate, span, sentinels
