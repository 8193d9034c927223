"""Objectives know batches and losses, not architectures; the registry is what `config.objective`
may name.
"""

from seqlab.objectives.adversarial import Adversarial
from seqlab.objectives.answers import Answers
from seqlab.objectives.autoencoding import Autoencoding
from seqlab.objectives.base import Objective
from seqlab.objectives.classification import Classification
from seqlab.objectives.frames import Frames
from seqlab.objectives.language_model import LanguageModel
from seqlab.objectives.masked_language_model import MaskedLanguageModel
from seqlab.objectives.multi_label_classification import MultiLabelClassification
from seqlab.objectives.prefix_language_model import PrefixLanguageModel
from seqlab.objectives.regression import Regression
from seqlab.objectives.sequence_adversarial import SequenceAdversarial
from seqlab.objectives.sequence_to_sequence import SequenceToSequence
from seqlab.objectives.span_corruption import SpanCorruption
from seqlab.objectives.tagging import Tagging
from seqlab.objectives.variational import Variational

OBJECTIVES: dict[str, type[Objective]] = dict(
  language_model=LanguageModel,
  masked_language_model=MaskedLanguageModel,
  sequence_to_sequence=SequenceToSequence,
  prefix_language_model=PrefixLanguageModel,
  span_corruption=SpanCorruption,
  classification=Classification,
  multi_label_classification=MultiLabelClassification,
  regression=Regression,
  frames=Frames,
  tagging=Tagging,
  answers=Answers,
  autoencoding=Autoencoding,
  variational=Variational,
  adversarial=Adversarial,
  sequence_adversarial=SequenceAdversarial,
)
