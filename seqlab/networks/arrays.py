"""Networks of images and other arrays: their sizes are arguments of the call."""

import math
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from seqlab.errors import UserError, nearest
from seqlab.models import image_classifiers
from seqlab.models.autoencoder import Autoencoder, Vae
from seqlab.models.classifier import Classifier
from seqlab.models.decoder import Decoder
from seqlab.models.gan import Discriminator, Generator, Pair
from seqlab.models.network import Network
from seqlab.models.reader import Reader
from seqlab.models.spectral import Spectral
from seqlab.models.tagger import Tagger
from seqlab.networks.ends import Ends
from seqlab.networks.parts import common, make_layers, reading
from seqlab.nn.images import Mirror, Trunk
from seqlab.nn.layers import ACTIVATIONS


def mlp(
  config: ConfigDict, ends: Ends, hidden: tuple[int, ...] = (512,), activation: str = "relu"
) -> Network:
  """Dense layers over the flattened array, then the classes."""
  check("mlp", activation, hidden)
  model = config.model
  options = dict(dropout=model.dropout, dtype=model.dtype)
  return Network(image_classifiers.mlp(ends.classes, hidden, activation, **options))


def cnn(
  config: ConfigDict,
  ends: Ends,
  channels: tuple[int, ...] = (32, 64),
  hidden: tuple[int, ...] = (256,),
  activation: str = "relu",
) -> Network:
  """Convolutions and pooling, dense layers, then the classes."""
  check("cnn", activation, channels, hidden)
  check_image("cnn", ends, channels)
  model = config.model
  options = dict(dropout=model.dropout, dtype=model.dtype)
  return Network(image_classifiers.cnn(ends.classes, channels, hidden, activation, **options))


def reader(
  config: ConfigDict, ends: Ends, both_ways: bool = False, permuted: bool = False
) -> Network:
  """A stack of mixers that reads place by place, images by rows. both_ways: as an encoder does;
  permuted: in one random order of the places.
  """
  layers, (*places, numbers) = make_layers(config), ends.shape or (0,)
  of = common(config, Ends(numbers + 1))
  if config.model.learned_positions:
    of["length"] = math.prod(places)
  if ends.tags and (both_ways or permuted):
    raise UserError(
      f"config.model.name={config.model.name!r}: frames() tells what comes next, in order; reader()"
    )
  body = Decoder(layers=reading(layers) if both_ways else layers, **of)
  head = Tagger(body, ends.tags, False) if ends.tags else None
  return Network(Reader(head or Classifier(body, ends.classes, config.model.pool), permuted))


def autoencoder(
  config: ConfigDict,
  ends: Ends,
  latent: int = 30,
  hidden: tuple[int, ...] = (),
  channels: tuple[int, ...] = (),
  activation: str = "relu",
) -> Network:
  """`hidden=()` and `channels=()` make it linear."""
  check("autoencoder", activation, channels, hidden, (latent,))
  check_image("autoencoder", ends, channels)
  of: dict[str, Any] = dict(latent=latent, channels=channels, hidden=hidden, activation=activation)
  return Network(Autoencoder(ends.shape, **of, dtype=config.model.dtype))


def vae(
  config: ConfigDict,
  ends: Ends,
  latent: int = 20,
  hidden: tuple[int, ...] = (500,),
  channels: tuple[int, ...] = (),
  activation: str = "relu",
) -> Network:
  """An autoencoder whose latent is a normal distribution."""
  check("vae", activation, channels, hidden, (latent,))
  check_image("vae", ends, channels)
  of: dict[str, Any] = dict(latent=latent, channels=channels, hidden=hidden, activation=activation)
  return Network(Vae(ends.shape, **of, dtype=config.model.dtype))


def gan(
  config: ConfigDict,
  ends: Ends,
  latent: int = 64,
  hidden: tuple[int, ...] = (),
  channels: tuple[int, ...] = (),
  activation: str = "relu",
  normalise: bool = True,
  critic_hidden: tuple[int, ...] = (),
  critic_activation: str = "leaky_relu",
  pieces: int = 1,
  conditional: bool = False,
  spectral: bool = False,
) -> Pair:
  """A generator of `hidden` and `channels`, batch-normalised or not; a discriminator with the same
  channels and `critic_hidden`, of maxout units where `pieces` is above 1, its weights divided by
  their spectral norms where `spectral`.
  """
  check("gan", activation, channels, hidden, critic_hidden, (latent, pieces))
  check("gan", critic_activation)
  check_image("gan", ends, channels)
  if conditional and ends.shape and not ends.classes:
    raise UserError("config.model.name: gan(conditional=True) needs labels in config.data.source")
  mirror = Mirror(ends.shape, channels, hidden, activation, normalise)
  trunk = Trunk(channels, critic_hidden, critic_activation, pieces)
  dtype = config.model.dtype
  judge = (Spectral if spectral else Network)(Discriminator(trunk, dtype))
  maker = Network(Generator(mirror, dtype))
  return Pair(maker, judge, latent, ends.classes if conditional else 0)


# The networks, and the keys of `config.model` that each reads beside its own arguments.
OF_ARRAYS: dict[str, Callable[..., Network | Pair]] = dict(
  mlp=mlp, cnn=cnn, reader=reader, autoencoder=autoencoder, vae=vae, gan=gan
)
READS = dict(
  mlp=("dropout", "dtype"),
  cnn=("dropout", "dtype"),
  reader=(
    *("width", "depth", "parameters", "mixer", "mlp", "norm", "residual", "learned_positions"),
    *("pool", "dropout", "dtype", "remat", "unroll"),
  ),
  autoencoder=("dtype",),
  vae=("dtype",),
  gan=("dtype",),
)


def check(name: str, activation: str, *sizes: tuple[int, ...]) -> None:
  """Refuses sizes below 1 and an unknown activation."""
  for some in sizes:
    if any(size < 1 for size in some):
      raise UserError(f"config.model.name: {name}() has sizes {some}; 1 or more is wanted")
  if activation not in ACTIVATIONS:
    raise UserError(
      f"config.model.name: activation={activation!r} of {name}()"
      f"{nearest(activation, ACTIVATIONS)}: choose from {', '.join(ACTIVATIONS)}"
    )


def check_image(name: str, ends: Ends, channels: tuple[int, ...]) -> None:
  """Refuses convolutions over what is no image, or too small for them."""
  if not channels or not ends.shape:
    return
  if len(ends.shape) != 3 or min(ends.shape[:2]) < 2 ** len(channels):
    raise UserError(
      f"config.model.name: {name}() halves rows and columns {len(channels)} times (channels="
      f"{channels}); config.data.source gives arrays of {list(ends.shape)}"
    )
