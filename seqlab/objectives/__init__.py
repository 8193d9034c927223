"""Objectives know batches and losses, not architectures; the registry is what `config.objective`
may name.
"""

from collections.abc import Callable

from seqlab.objectives.base import Objective
from seqlab.objectives.classification import Classification
from seqlab.objectives.language_model import LanguageModel

OBJECTIVES: dict[str, Callable[..., Objective]] = dict(
  language_model=LanguageModel,
  classification=Classification,
)
