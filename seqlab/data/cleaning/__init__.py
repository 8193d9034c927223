"""The registry of cleaning: what `config.data.clean` may name. A new step is one function and one
line in `CLEANERS`.
"""

from collections.abc import Callable

from seqlab.data.cleaning.base import Step
from seqlab.data.cleaning.characters import (
  control,
  half_width,
  lower,
  nfkc,
  shuffled,
  simplified,
  traditional,
  whitespace,
)
from seqlab.data.cleaning.filters import deduplicate, length, near_deduplicate
from seqlab.data.cleaning.markup import html
from seqlab.data.cleaning.private import pii
from seqlab.data.cleaning.sentences import sentences
from seqlab.data.cleaning.stop_words import stop_words
from seqlab.data.cleaning.words import words

CLEANERS: dict[str, Callable[..., Step]] = dict(
  nfkc=nfkc,
  half_width=half_width,
  control=control,
  whitespace=whitespace,
  html=html,
  lower=lower,
  shuffled=shuffled,
  simplified=simplified,
  traditional=traditional,
  pii=pii,
  words=words,
  stop_words=stop_words,
  sentences=sentences,
  length=length,
  deduplicate=deduplicate,
  near_deduplicate=near_deduplicate,
)
