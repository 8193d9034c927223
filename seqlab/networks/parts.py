"""What networks of sequences share: the layers of a config, the arguments that all of them read,
and heads over classes and tags.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from seqlab.errors import UserError
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.dilated_cnn import DilatedCnn
from seqlab.models.network import Network
from seqlab.models.tagger import Tagger
from seqlab.networks.ends import Ends
from seqlab.nn.channel_mixers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.stack import Layer
from seqlab.spec import Call, make, parse, parse_one


def make_layers(config: ConfigDict) -> tuple[Layer, ...]:
  """The pattern of blocks that the depth repeats, its parts checked against the width."""
  model = config.model

  def part(call: Call, members: Mapping[str, Callable], key: str) -> Any:
    made = make(call, members, key)
    try:
      if hasattr(made, "check"):
        made.check(model.width)
    except UserError as error:
      raise UserError(f"{key}: {call.name}(): {error}") from None
    return made

  mlp = part(parse_one(model.mlp, "config.model.mlp"), CHANNEL_MIXERS, "config.model.mlp")
  calls = parse(model.mixer, "config.model.mixer")
  if len(calls) > model.depth:
    raise UserError(
      f"config.model.depth={model.depth}: the pattern of config.model.mixer has {len(calls)} "
      f"mixers, of which the last would be dropped; {len(calls)} or more is wanted"
    )
  mixers = [part(call, MIXERS, "config.model.mixer") for call in calls]
  block = model.norm, model.dropout, model.residual
  return tuple(Layer(mixer, mlp, *block) for mixer in mixers)


def reading(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
  """The layers of an encoder."""
  return tuple(dataclasses.replace(layer, mixer=both_ways(layer.mixer)) for layer in layers)


def headed(body: Decoder | DilatedCnn, config: ConfigDict, ends: Ends) -> Network:
  """With a head over classes or tags in place of the one over tokens, where there are any."""
  if ends.tags:
    return Network(Tagger(body, ends.tags, ends.crf))
  return Network(Classifier(body, ends.classes, config.model.pool) if ends.classes else body)


def common(config: ConfigDict, ends: Ends) -> dict[str, Any]:
  model = config.model
  ids = ends.vocab + ends.added
  if model.vocab and model.vocab < ids:
    added = f" and the objective adds {ends.added}" if ends.added else ""
    raise UserError(
      f"config.model.vocab={model.vocab}: the tokenizer has {ends.vocab} ids{added}; set it to "
      f"{ids} or more, or 0"
    )
  return dict(
    vocab=model.vocab or ids,
    width=model.width,
    depth=model.depth,
    norm=model.norm,
    length=config.length if model.learned_positions else 0,
    tied=model.tied,
    dropout=model.dropout,
    dtype=model.dtype,
    remat=model.remat,
    unroll=model.unroll,
  )
