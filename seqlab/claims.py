"""What a file of experiments/papers/ claims, beside the config that is to show it.

    CLAIM = dict(
      says="…", source="…", cost="2 minutes on 2 cores", seeds=(0, 1, 2), tried="…",
      results=(dict(name="…", argument="vae", metric="loss", published="104", low=104.5, high=106.5,
                    measure="evaluate"),))

says: the claim in a line. source: the paper or page. cost: the time of all runs. seeds: of each
result. tried: what was done about a FAIL, printed with it. wants: "gpu" where `--all` runs it on no
other device. Each result: argument of `get_config`
('' for none; '{seed}' in it stands for the seed, as of a fold), the `seqlab` command that measures
a trained run, the metric in the JSON that it leaves, the published number, the bounds within which
it is reproduced, and seeds of its own if any. Its number is the mean over seeds, or what `over`
says of them: "max" or "min".
"""

import dataclasses
import importlib.util
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from seqlab.errors import UserError, nearest

FOLDER = pathlib.Path("experiments/papers")
OVER: dict[str, Callable[[Sequence[float]], float]] = dict(mean=statistics.fmean, max=max, min=min)


@dataclasses.dataclass(frozen=True)
class Result:
  name: str
  metric: str
  published: str
  low: float
  high: float
  argument: str = ""
  measure: str = "evaluate"
  seeds: tuple[int, ...] = ()
  over: str = "mean"

  def __post_init__(self) -> None:
    if self.over not in OVER:
      raise ValueError(f"over={self.over!r}; choose from {', '.join(OVER)}")

  def number(self, values: Sequence[float]) -> float:
    """What the seeds' values come to."""
    return OVER[self.over](values)


@dataclasses.dataclass(frozen=True)
class Claim:
  target: str
  file: pathlib.Path
  says: str
  source: str
  cost: str
  results: tuple[Result, ...]
  tried: str = ""
  wants: str = ""


def read_claims(folder: pathlib.Path = FOLDER) -> dict[str, Claim]:
  """The claims of a folder by the names of their files.

  Raises:
    UserError: there is no such folder, or a file's CLAIM is not as above.
  """
  if not folder.is_dir():
    raise UserError(f"{folder}: no such folder; run this command where experiments/ is")
  return {file.stem: _read(file) for file in sorted(folder.glob("*.py"))}


def find(claims: dict[str, Claim], target: str) -> Claim:
  if target not in claims:
    raise UserError(
      f"unknown target {target!r}{nearest(target, claims)}; targets: {', '.join(claims)}"
    )
  return claims[target]


def _read(file: pathlib.Path) -> Claim:
  spec = importlib.util.spec_from_file_location(f"claim_{file.stem}", file)
  assert spec is not None and spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
    said: dict[str, Any] = dict(module.CLAIM)
    seeds = said.pop("seeds", (0,))
    results = tuple(Result(**{"seeds": seeds, **result}) for result in said.pop("results"))
    return Claim(target=file.stem, file=file, results=results, **said)
  except (Exception, SystemExit) as error:
    raise UserError(f"{file}: its CLAIM cannot be read ({type(error).__name__}: {error})") from None
