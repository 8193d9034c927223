"""The registry of cleaning: what `config.data.clean` may name. A new step is one function and one
line in `CLEANERS`.
"""

from collections.abc import Callable

from seqlab.data.cleaning.base import Step
from seqlab.data.cleaning.characters import lower
from seqlab.data.cleaning.words import words

CLEANERS: dict[str, Callable[..., Step]] = dict(
  lower=lower,
  words=words,
)
