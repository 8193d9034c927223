"""Networks of sequences: stacks of mixers, the user's own among them."""

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from seqlab.errors import UserError, nearest
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.dilated_cnn import DilatedCnn
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.gan import Pair
from seqlab.models.network import Network
from seqlab.models.prefix_decoder import PrefixDecoder
from seqlab.models.tagger import Tagger
from seqlab.models.text_cnn import TextCnn
from seqlab.models.text_vae import TextVae
from seqlab.networks.ends import Ends
from seqlab.nn.cross_attention import AdditiveAttention, CrossAttention
from seqlab.nn.layers import CHANNEL_MIXERS
from seqlab.nn.mixers import MIXERS
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.base import prefixed
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
  block = model.norm, model.dropout, model.residual
  return tuple(Layer(mixer, mlp, *block) for mixer in mixers)


def reading(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
  """The layers of an encoder."""
  return tuple(dataclasses.replace(layer, mixer=both_ways(layer.mixer)) for layer in layers)


def decoder(config: ConfigDict, ends: Ends) -> Network:
  """Reads from left to right; a head over classes where there are any."""
  return _headed(Decoder(layers=make_layers(config), **_common(config, ends)), config, ends)


def encoder(config: ConfigDict, ends: Ends) -> Network:
  """A decoder whose mixers read both ways."""
  body = Decoder(layers=reading(make_layers(config)), **_common(config, ends))
  return _headed(body, config, ends)


def prefix_decoder(config: ConfigDict, ends: Ends, both_ways: bool = True) -> Network:
  """A decoder that goes on from a source. both_ways: attention sees the source on both sides; else
  all is read from left to right, as by a language model. No other mixer changes.
  """
  layers = make_layers(config)
  if both_ways:
    layers = tuple(dataclasses.replace(layer, mixer=prefixed(layer.mixer)) for layer in layers)
  return Network(PrefixDecoder(layers=layers, **_common(config, ends)))


def text_cnn(
  config: ConfigDict,
  ends: Ends,
  windows: tuple[int, ...] = (3, 4, 5),
  channels: int = 100,
  limit: float = 3.0,
) -> Network:
  """Filters over windows of words, and the largest of each; of `config.model` it reads width,
  vocab, dropout and dtype.
  """
  _check_windows(config, windows, channels)
  if not limit > 0:
    raise UserError(f"config.model.name={config.model.name!r}: a limit above 0 is wanted")
  common = _common(config, ends)
  own = {name: common[name] for name in ("vocab", "width", "dropout", "dtype")}
  made = TextCnn(classes=ends.classes, windows=windows, channels=channels, limit=limit, **own)
  return Network(made)


def dilated_cnn(
  config: ConfigDict,
  ends: Ends,
  window: int = 3,
  dilations: tuple[int, ...] = (1, 2, 4, 8),
  iterations: int = 1,
  ratio: float = 0.5,
) -> Network:
  """Residual convolutions over a text, `ratio` times as wide inside; of `config.model` it reads
  width, vocab, norm, pool, dropout and dtype.
  """
  hidden = round(ratio * config.model.width) if 0 < ratio < float("inf") else 0
  if not dilations or min(*dilations, window, iterations, hidden) < 1:
    raise UserError(
      f"config.model.name={config.model.name!r}: window, dilations and iterations of 1 or more and "
      f"a ratio that leaves features of config.model.width={config.model.width} are wanted"
    )
  common = _common(config, ends)
  own = {name: common[name] for name in ("vocab", "width", "norm", "dropout", "dtype")}
  made = DilatedCnn(window=window, dilations=dilations, iterations=iterations, hidden=hidden, **own)
  return _headed(made, config, ends)


def _check_windows(config: ConfigDict, windows: tuple[int, ...], channels: int) -> None:
  if not windows or min(*windows, channels, config.length - max(windows) + 1) < 1:
    raise UserError(
      f"config.model.name={config.model.name!r}: windows of 1 to config.length={config.length} "
      f"words and channels of 1 or more are wanted"
    )


def sequence_gan(
  config: ConfigDict,
  ends: Ends,
  windows: tuple[int, ...] = (2, 3, 4, 5),
  channels: int = 64,
  judge_width: int = 64,
  judge_dropout: float = 0.25,
) -> Pair:
  """A generator as `decoder`, and a discriminator as `text_cnn` of a width of its own."""
  _check_windows(config, windows, channels)
  layers = make_layers(config)
  inside = [getattr(part, "dropout", 0) for layer in layers for part in (layer.mixer, layer.mlp)]
  if config.model.dropout or any(inside):
    raise UserError(
      f"config.model: dropout={config.model.dropout}, mixer={config.model.mixer!r}, "
      f"mlp={config.model.mlp!r}: the generator of sequence_gan() learns from what it draws, "
      f"without dropout; leave it out, or set judge_dropout of the discriminator"
    )
  if judge_width < 1 or not 0 <= judge_dropout < 1:
    raise UserError(
      f"config.model.name={config.model.name!r}: judge_width of 1 or more and judge_dropout from 0 "
      f"to below 1 are wanted"
    )
  common = _common(config, ends)
  own = dict(vocab=common["vocab"], dtype=common["dtype"], windows=windows, channels=channels)
  judge = TextCnn(width=judge_width, classes=1, dropout=judge_dropout, **own)
  return Pair(Network(Decoder(layers=layers, **common)), Network(judge))


def encoder_decoder(config: ConfigDict, ends: Ends, attention: str = "dot") -> Network:
  """attention: "dot" over the encoder's features, with the heads and the dropout of the mixers'
  attention (4 heads where there is none), "additive", or "none": the decoder goes on from the
  encoder's last state.
  """
  if attention not in ATTENTIONS:
    raise UserError(
      f"config.model.name: attention={attention!r} of encoder_decoder()"
      f"{nearest(attention, ATTENTIONS)}: choose from {', '.join(ATTENTIONS)}"
    )
  layers, width = make_layers(config), config.model.width
  mixers = (layer.mixer for layer in layers if isinstance(layer.mixer, Attention))
  heads, dropout = next(((mixer.heads, mixer.dropout) for mixer in mixers), (0, 0.0))
  if attention == "none":
    if heads:
      raise UserError(
        f"config.model.mixer={config.model.mixer!r}: attention() has no last state that "
        f"encoder_decoder(attention='none') could hand over; use recurrent mixers"
      )
    return Network(EncoderDecoder(layers=layers, encoder_layers=layers, **_common(config, ends)))
  if attention == "dot" and width % (heads or 4):
    raise UserError(
      f"config.model.width={width}: cross-attention of {heads or 4} heads does not fit"
    )
  dot = attention == "dot"
  cross = (
    CrossAttention(heads or 4, dropout, parent=None) if dot else AdditiveAttention(parent=None)
  )
  own = tuple(dataclasses.replace(layer, cross=cross) for layer in layers)
  made = EncoderDecoder(layers=own, encoder_layers=reading(layers), **_common(config, ends))
  return Network(made)


def text_vae(config: ConfigDict, ends: Ends, latent: int = 32) -> Network:
  """A sentence through `latent` normal numbers, read both ways, written from left to right."""
  if latent < 1:
    raise UserError(f"config.model.name: latent={latent} of text_vae(): 1 or more is wanted")
  layers, own = make_layers(config), dict(latent=latent, pool=config.model.pool)
  made = TextVae(layers=layers, encoder_layers=reading(layers), **own, **_common(config, ends))
  return Network(made)


ATTENTIONS = ("dot", "additive", "none")


def _headed(body: Decoder | DilatedCnn, config: ConfigDict, ends: Ends) -> Network:
  """With a head over classes or tags in place of the one over tokens, where there are any."""
  if ends.tags:
    return Network(Tagger(body, ends.tags, ends.crf))
  return Network(Classifier(body, ends.classes, config.model.pool) if ends.classes else body)


def _common(config: ConfigDict, ends: Ends) -> dict[str, Any]:
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
