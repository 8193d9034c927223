"""Convolutions over texts."""

from ml_collections import ConfigDict

from seqlab.errors import UserError
from seqlab.models.dilated_cnn import DilatedCnn
from seqlab.models.network import Network
from seqlab.models.text_cnn import TextCnn
from seqlab.networks.ends import Ends
from seqlab.networks.parts import common, headed


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
  check_windows(config, windows, channels)
  if not limit > 0:
    raise UserError(f"config.model.name={config.model.name!r}: a limit above 0 is wanted")
  shared = common(config, ends)
  own = {name: shared[name] for name in ("vocab", "width", "dropout", "dtype")}
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
  shared = common(config, ends)
  own = {name: shared[name] for name in ("vocab", "width", "norm", "dropout", "dtype")}
  made = DilatedCnn(window=window, dilations=dilations, iterations=iterations, hidden=hidden, **own)
  return headed(made, config, ends)


def check_windows(config: ConfigDict, windows: tuple[int, ...], channels: int) -> None:
  if not windows or min(*windows, channels, config.length - max(windows) + 1) < 1:
    raise UserError(
      f"config.model.name={config.model.name!r}: windows of 1 to config.length={config.length} "
      f"words and channels of 1 or more are wanted"
    )
