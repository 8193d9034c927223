"""From a config to a network: its layers, and a user's own mixers."""

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from seqlab.errors import UserError
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.network import Network
from seqlab.models.tagger import Tagger
from seqlab.nn.cross_attention import CrossAttention
from seqlab.nn.layers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.stack import Layer
from seqlab.spec import Call, make, parse, parse_one


def load_plugins(files: Iterable[str]) -> None:
  """Runs Python files of the user's, which register mixers (`MIXERS["mine"] = Mine`).

  Raises:
    UserError: a file is missing or fails.
  """
  for number, file in enumerate(files):
    name = f"seqlab_plugin_{number}"
    found = importlib.util.spec_from_file_location(name, file)
    try:
      if found is None or found.loader is None or not os.path.isfile(file):
        raise FileNotFoundError("no such Python file")
      # dataclasses look a module up here when its annotations are text
      sys.modules[name] = importlib.util.module_from_spec(found)
      found.loader.exec_module(sys.modules[name])
    except (Exception, SystemExit) as error:
      raise UserError(
        f"config.plugins: {file} fails with {type(error).__name__}: {error}"
      ) from None


def make_layers(config: ConfigDict) -> tuple[Layer, ...]:
  """The pattern of blocks that the depth repeats, its parts checked against the width."""
  load_plugins(config.plugins)
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
  return tuple(Layer(mixer, mlp, model.norm, model.dropout) for mixer in mixers)


def reading(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
  """The layers of an encoder."""
  return tuple(dataclasses.replace(layer, mixer=both_ways(layer.mixer)) for layer in layers)


def writing(config: ConfigDict, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
  """The layers of a decoder that reads a source; heads are those of its attention, where it has
  any.
  """
  width = config.model.width
  heads = next((layer.mixer.heads for layer in layers if isinstance(layer.mixer, Attention)), 4)
  if width % heads:
    raise UserError(f"config.model.width={width}: cross-attention of {heads} heads does not fit")
  return tuple(
    dataclasses.replace(layer, cross=CrossAttention(heads, parent=None)) for layer in layers
  )


def make_network(
  config: ConfigDict, vocab: int, classes: int = 0, tags: int = 0, crf: bool = False
) -> Network:
  """The network for `vocab` token ids, with a head over `classes` of texts or `tags` of words where
  there are any; `crf` gives the tags a chain.
  """
  model = config.model
  if model.vocab and model.vocab < vocab:
    raise UserError(
      f"config.model.vocab={model.vocab}: the tokenizer has {vocab} ids; set it to {vocab} "
      f"or more, or 0"
    )
  layers = make_layers(config)
  common: dict[str, Any] = dict(
    vocab=model.vocab or vocab,
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
  if model.name == "encoder_decoder":
    own = writing(config, layers)
    return Network(EncoderDecoder(layers=own, encoder_layers=reading(layers), **common))
  body = Decoder(layers=reading(layers) if model.name == "encoder" else layers, **common)
  if tags:
    return Network(Tagger(body, tags, crf))
  return Network(Classifier(body, classes, model.pool) if classes else body)
