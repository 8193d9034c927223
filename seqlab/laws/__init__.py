"""The laws of the mixer contract, each a function that raises `LawBroken` for a mixer that breaks
it.

`seqlab check` runs them on registered mixers and on a user's own; the tests run them on every
member. A law gets an unbound mixer and makes its own inputs: two rows of packed documents, one of
them a single long one.
"""

from collections.abc import Callable

from seqlab.laws.base import LawBroken, NotApplicable
from seqlab.laws.contract import bfloat16, causality, learning, names, packing, padding, splitting
from seqlab.laws.forms import costs, forms, gradients, saving
from seqlab.laws.meshes import same_on_a_mesh, sharding
from seqlab.nn.mixers import Mixer

LAWS: dict[str, Callable[[Mixer], None]] = dict(
  splitting=splitting,
  causality=causality,
  packing=packing,
  padding=padding,
  names=names,
  learning=learning,
  bfloat16=bfloat16,
  forms=forms,
  gradients=gradients,
  costs=costs,
  saving=saving,
  sharding=sharding,
)

__all__ = ["LAWS", "LawBroken", "NotApplicable", "same_on_a_mesh", "sharding"]
