"""From a config to a network: the members of `config.model.name`."""

from collections.abc import Callable

from ml_collections import ConfigDict

from seqlab.models.gan import Pair as Pair
from seqlab.models.network import Network
from seqlab.networks.arrays import OF_ARRAYS as OF_ARRAYS
from seqlab.networks.arrays import READS as OF_ARRAYS_READ
from seqlab.networks.convolutions import dilated_cnn, text_cnn
from seqlab.networks.ends import Ends as Ends
from seqlab.networks.sequences import (
  compressor,
  decoder,
  encoder,
  encoder_decoder,
  prefix_decoder,
  sequence_gan,
  text_vae,
)
from seqlab.spec import make, parse_one

NETWORKS: dict[str, Callable[..., Network | Pair]] = dict(
  decoder=decoder,
  encoder=encoder,
  encoder_decoder=encoder_decoder,
  prefix_decoder=prefix_decoder,
  compressor=compressor,
  text_cnn=text_cnn,
  dilated_cnn=dilated_cnn,
  text_vae=text_vae,
  sequence_gan=sequence_gan,
  **OF_ARRAYS,
)


# The keys of `config.model` that networks read which do not read all of them.
READS = {
  **OF_ARRAYS_READ,
  "text_cnn": ("width", "vocab", "dropout", "dtype"),
  "dilated_cnn": ("width", "vocab", "norm", "pool", "dropout", "dtype"),
}


def make_network(config: ConfigDict, ends: Ends) -> Network | Pair:
  """The network that `config.model.name` calls, between the ends that the data gives it."""
  call = parse_one(config.model.name, "config.model.name")
  return make(call, NETWORKS, "config.model.name", config=config, ends=ends)
