"""What flags of commands have in common, and how their values are read."""

import argparse
import dataclasses
import math
from collections.abc import Callable

CONFIG_HELP = "Python file with get_config(); FILE:ARGUMENT hands it an argument"
WORKDIR = ("--workdir", dict(metavar="DIR", required=True, help="folder of the run"))
SPLITS = ("train", "valid", "test")
EQUAL = ("flops", "parameters", "state", "data")  # what a comparison may make equal
STEP = ("--step", dict(default="best", metavar="N|best|latest", help="which checkpoint"))


def whole(low: int, high: float = math.inf) -> Callable[[str], int]:
  """Reads a flag's whole number from `low` to `high`."""

  def read(text: str) -> int:
    try:
      value = int(text)
    except ValueError:
      value = None
    if value is None or not low <= value <= high:
      to = f"from {low} to {high}" if high < math.inf else f"of {low} or more"
      raise argparse.ArgumentTypeError(f"{text!r}: a whole number {to} is wanted")
    return value

  return read


def wholes(text: str) -> list[int]:
  """Reads a flag's list of positive whole numbers, 1,2,3."""
  return [whole(1)(one) for one in text.split(",")]


def rates(text: str) -> list[float]:
  """Reads a flag's list of learning rates, 0.001,0.003."""
  try:
    found = [float(one) for one in text.split(",")]
  except ValueError:
    found = []
  if not found or not all(0 < one < math.inf for one in found) or len(set(found)) < len(found):
    raise argparse.ArgumentTypeError(f"{text!r}: positive numbers are wanted, 0.001,0.003")
  return found


def text(given: str) -> str:
  """A flag's text; bytes that are no UTF-8 come as halves of surrogate pairs, and are replaced."""
  return given.encode("utf-8", "replace").decode()


STALL = dict(type=float, default=7200.0, help="silence (s) that ends a training; 0 for none")
LAUNCH = (
  ("--jobs", dict(type=whole(1), default=1, help="trials at a time, on shares of the cores")),
  ("--launcher", dict(default="local", choices=("local", "slurm"), help="who runs the trials")),
  ("--slurm", dict(default="", metavar="OPTIONS", help='of sbatch: "--partition=a --time=60"')),
  ("--stall", STALL),
)
TEXTS = dict(action="append", default=[], type=text)


@dataclasses.dataclass(frozen=True)
class Command:
  """A command's module, its one line, an example, its flags, and whether it takes a config; one
  that does not begin with jax gets that as the name of its file and the overrides.
  """

  module: str
  summary: str
  example: str
  flags: tuple[tuple[str, dict], ...] = ()
  takes_config: bool = False
  begins_jax: bool = True
