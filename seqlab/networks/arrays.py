"""Networks of images and other arrays: their sizes are arguments of the call."""

from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from seqlab.errors import UserError, nearest
from seqlab.models.autoencoder import Autoencoder, Vae
from seqlab.models.image_classifiers import Cnn, Mlp
from seqlab.models.network import Network
from seqlab.networks.ends import Ends
from seqlab.nn.layers import ACTIVATIONS


def mlp(
  config: ConfigDict, ends: Ends, hidden: tuple[int, ...] = (512,), activation: str = "relu"
) -> Network:
  """Dense layers over the flattened array, then the classes."""
  check("mlp", activation, hidden)
  model = config.model
  return Network(Mlp(ends.classes, hidden, activation, model.dropout, model.dtype))


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
  return Network(Cnn(ends.classes, channels, hidden, activation, model.dropout, model.dtype))


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


# The networks, and the keys of `config.model` that each reads beside its own arguments.
OF_ARRAYS: dict[str, Callable[..., Network]] = dict(
  mlp=mlp, cnn=cnn, autoencoder=autoencoder, vae=vae
)
READS = dict(
  mlp=("dropout", "dtype"), cnn=("dropout", "dtype"), autoencoder=("dtype",), vae=("dtype",)
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
