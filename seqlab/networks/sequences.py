"""Networks of sequences: stacks of mixers."""

import dataclasses

from ml_collections import ConfigDict

from seqlab.errors import UserError, nearest
from seqlab.models.compressor import Compressor
from seqlab.models.decoder import Decoder
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.gan import Pair
from seqlab.models.network import Network
from seqlab.models.prefix_decoder import PrefixDecoder
from seqlab.models.text_cnn import TextCnn
from seqlab.models.text_vae import TextVae
from seqlab.networks.convolutions import check_windows
from seqlab.networks.ends import Ends
from seqlab.networks.parts import common, headed, make_layers, reading
from seqlab.nn.cross_attention import AdditiveAttention, CrossAttention
from seqlab.nn.mixers.attention import Attention
from seqlab.nn.mixers.base import prefixed, remembers


def decoder(config: ConfigDict, ends: Ends, std: float = 0.0) -> Network:
  """Reads from left to right; a head over classes where there are any. std: of the first matrices
  of its blocks, 0.02 in GPT-2, where by default (0) they have one over the root of their fan-in;
  those with a start of their own, as some recurrent mixers have, are scaled by as much.
  """
  if std < 0:
    raise UserError(f"config.model.name: std={std} of decoder(): 0 or more is wanted")
  if ends.classes and config.model.pool == "first":
    raise UserError(
      "config.model.pool='first': a decoder's first token has seen nothing of the text; take mean "
      "or last, or config.model.name='encoder'"
    )
  made = headed(Decoder(layers=make_layers(config), **common(config, ends)), config, ends)
  return Network(made.module, std)


def encoder(config: ConfigDict, ends: Ends, types: int = 0) -> Network:
  """A decoder whose mixers read both ways. types: rows of a table of token types, 2 for pairs of
  texts; 0 for none.
  """
  if types < 0 or types == 1:
    raise UserError(f"config.model.name: types={types} of encoder(): 0, or 2 and more are wanted")
  if types and ends.tags:
    raise UserError(
      f"config.model.name: types={types} of encoder(): tags are of single texts; leave it out"
    )
  own = dict(common(config, ends), types=types)
  body = Decoder(layers=reading(make_layers(config)), **own)
  return headed(body, config, ends)


def compressor(config: ConfigDict, ends: Ends) -> Network:
  """A decoder that can tell different answers at one place."""
  return Network(Compressor(layers=make_layers(config), **common(config, ends)))


def prefix_decoder(config: ConfigDict, ends: Ends, both_ways: bool = True) -> Network:
  """A decoder that goes on from a source. both_ways: attention sees the source on both sides; else
  all is read from left to right, as by a language model. No other mixer changes.
  """
  layers = make_layers(config)
  if both_ways:
    layers = tuple(dataclasses.replace(layer, mixer=prefixed(layer.mixer)) for layer in layers)
  return Network(PrefixDecoder(layers=layers, **common(config, ends)))


def sequence_gan(
  config: ConfigDict,
  ends: Ends,
  windows: tuple[int, ...] = (2, 3, 4, 5),
  channels: int = 64,
  judge_width: int = 64,
  judge_dropout: float = 0.25,
) -> Pair:
  """A generator as `decoder`, and a discriminator as `text_cnn` of a width of its own."""
  check_windows(config, windows, channels)
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
  shared = common(config, ends)
  own = dict(vocab=shared["vocab"], dtype=shared["dtype"], windows=windows, channels=channels)
  judge = TextCnn(width=judge_width, classes=1, dropout=judge_dropout, **own)
  return Pair(Network(Decoder(layers=layers, **shared)), Network(judge))


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
    for layer in layers:
      if not remembers(layer.mixer, width):
        raise UserError(
          f"config.model.mixer={config.model.mixer!r}: {type(layer.mixer).__name__} has no last "
          f"state that encoder_decoder(attention='none') could hand over; use recurrent mixers"
        )
    return Network(EncoderDecoder(layers=layers, encoder_layers=layers, **common(config, ends)))
  if attention == "dot" and width % (heads or 4):
    raise UserError(
      f"config.model.width={width}: cross-attention of {heads or 4} heads does not fit"
    )
  dot = attention == "dot"
  cross = (
    CrossAttention(heads or 4, dropout, parent=None) if dot else AdditiveAttention(parent=None)
  )
  own = tuple(dataclasses.replace(layer, cross=cross) for layer in layers)
  made = EncoderDecoder(layers=own, encoder_layers=reading(layers), **common(config, ends))
  return Network(made)


def text_vae(config: ConfigDict, ends: Ends, latent: int = 32) -> Network:
  """A sentence through `latent` normal numbers, read both ways, written from left to right."""
  if latent < 1:
    raise UserError(f"config.model.name: latent={latent} of text_vae(): 1 or more is wanted")
  layers, own = make_layers(config), dict(latent=latent, pool=config.model.pool)
  made = TextVae(layers=layers, encoder_layers=reading(layers), **own, **common(config, ends))
  return Network(made)


ATTENTIONS = ("dot", "additive", "none")
