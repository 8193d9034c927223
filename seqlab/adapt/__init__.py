"""How the parameters that a run starts from are adapted, to a task or to a width: the members of
`config.init.adapt`.
"""

import dataclasses
from collections.abc import Callable

from seqlab.adapt.layerwise import Gradual, LayerDecay
from seqlab.adapt.lora import Lora
from seqlab.adapt.mup import Mup
from seqlab.errors import UserError
from seqlab.spec import make, parse

KEY = "config.init.adapt"
ADAPTATIONS: dict[str, Callable] = dict(lora=Lora, layer_decay=LayerDecay, gradual=Gradual, mup=Mup)


@dataclasses.dataclass(frozen=True)
class Adaptations:
  """Each of the members, or None where it is not asked for."""

  lora: Lora | None = None
  layer_decay: LayerDecay | None = None
  gradual: Gradual | None = None
  mup: Mup | None = None


def adaptations(text: str) -> Adaptations:
  """What `"lora(rank=8) | layer_decay(factor=0.9)"` asks for; "" asks for nothing.

  Raises:
    UserError: a member that is none, comes twice, or an argument out of range.
  """
  calls = parse(text, KEY) if text else []
  made = {call.name: make(call, ADAPTATIONS, KEY) for call in calls}
  if len(made) < len(calls):
    raise UserError(f"{KEY}={text!r}: each once; it names one of {', '.join(made)} twice")
  return Adaptations(**made)
