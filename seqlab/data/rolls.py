"""Polyphonic music as piano rolls: at each step the keys that sound, of 88 (Boulanger-Lewandowski
2012, arXiv:1206.6392).
"""

import numpy as np

from seqlab.data.files import find
from seqlab.data.table import Table
from seqlab.errors import UserError

PARTS = ("train", "valid", "test")


def rolls(config_key: str, path: str = "", part: str = "train", length: int = 160) -> Table:
  """Pieces of a .mat file with `traindata`, `validdata` and `testdata`: x_BTD [pieces, length,
  keys], 0 or 255, and weight_BT, 1 at the frames after a piece's first. Shorter pieces are padded,
  longer ones cut into pieces that share a frame, so that each frame but the first is told once.
  """
  from scipy.io import loadmat  # of jax's own needs
  from scipy.io.matlab import MatReadError

  if part not in PARTS or length < 2:
    raise UserError(
      f"{config_key}: rolls(part={part!r}, length={length}): a part of {', '.join(PARTS)} and a "
      f"length of 2 or more are wanted"
    )
  # NotImplementedError: of files of MATLAB 7.3
  unreadable = (MatReadError, NotImplementedError, OSError, ValueError, TypeError, LookupError)
  ((file, _),) = find(path, config_key)[:1]
  try:
    pieces = [np.asarray(piece) for piece in loadmat(file)[f"{part}data"][0]]
    keys = {piece.shape[1:] for piece in pieces}
    if len(keys) != 1 or any(piece.ndim != 2 or (piece > 1).any() for piece in pieces):
      raise ValueError("pieces are [steps, keys] of 0 and 1")
  except unreadable as error:
    raise UserError(f"{config_key}: {file} is no .mat of piano rolls ({error})") from None
  cut = [piece[at : at + length] for piece in pieces for at in range(0, len(piece) - 1, length - 1)]
  x_BTD = np.zeros((len(cut), length, *keys.pop()), np.uint8)
  weight_BT = np.zeros((len(cut), length), np.float32)
  for row, frames in enumerate(cut):
    x_BTD[row, : len(frames)] = 255 * frames
    weight_BT[row, 1 : len(frames)] = 1
  return Table({"x_BTD": x_BTD, "weight_BT": weight_BT})
