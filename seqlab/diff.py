"""`seqlab diff`: what two runs differ in, and the first step at which their numbers part.

All is read from the two folders: config.json, data.json, what the newest checkpoint says of code
and machine, and metrics.jsonl. Nothing is computed anew.
"""

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab import config as configs
from seqlab import metrics, pretrained
from seqlab.bases import read_config
from seqlab.checkpoint import steps
from seqlab.errors import UserError
from seqlab.keys import FREE
from seqlab.table import show

# What a step measures of the machine, not of the model.
OF_TIME = ("time", "mfu", "eta_seconds", "_per_second")
APART = 0.01  # of a loss: beyond what another order of summing makes

Lines = Sequence[Mapping[str, Any]]


def run(a: str, b: str) -> int:
  """Prints what differs and returns 0 where nothing does, 1 where something does, as diff(1)."""
  differ = False
  first, second = parts(a), parts(b)
  for heading, one in first.items():
    rows = [*differences(one, second[heading])]
    if rows:
      show(f"{heading}: {len(rows)} differ", ("", a, b), rows)
    else:
      print(f"{heading}: the same" if one else f"{heading}: neither run says")
    differ |= bool(rows)
  numbers = metrics.read(a), metrics.read(b)
  for line in compared(*numbers):
    print(line)
  return int(differ or parting(*numbers) is not None)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
  """(key, value, other value) of the keys whose values differ, "-" where there is none."""
  for key in sorted({*one, *other}):
    if one.get(key) != other.get(key):
      first, second = (str(of[key]) if key in of else "-" for of in (one, other))
      yield key + " (not what is computed)" * key.startswith(FREE), first, second


def parting(one: Lines, other: Lines, apart: float = 0.0) -> tuple[int, str, float, float] | None:
  """The first step at which both have a number that is not the same, its name and the two; None
  where there is none. apart: look at losses alone, and for differences of more than that share.
  """
  there = {(line["step"], _validates(line)): line for line in other}
  for line in one:
    step, beside = line["step"], there.get((line["step"], _validates(line)), {})
    for name in sorted(line.keys() & beside.keys()):
      first, second = line[name], beside[name]
      if name.endswith(OF_TIME) or (apart and not name.endswith("loss")) or first == second:
        continue
      if None in (first, second) or abs(first - second) > apart * abs(first):
        return step, name, first, second
  return None


def compared(one: Lines, other: Lines) -> Iterator[str]:
  """What the numbers of two runs say beside each other, in lines."""
  steps_of = ({(line["step"], _validates(line)) for line in lines} for lines in (one, other))
  both = {step for step, _ in set.intersection(*steps_of)}
  if not both:
    yield "numbers: no step of which both runs have them"
    return
  if found := parting(one, other):
    step, name, first, second = found
    yield f"numbers: part at step {step:,}, where {name} is {first} and {second}"
    if far := parting(one, other, APART):
      step, name, first, second = far
      yield f"further apart than {APART:.0%} from step {step:,} on: {name} {first} and {second}"
    else:
      yield f"never further apart than {APART:.0%} of the loss, up to step {max(both):,}"
  else:
    yield f"numbers: the same, bit for bit, up to step {max(both):,}"
  validated = [{line["step"]: line for line in of if _validates(line)} for of in (one, other)]
  if shared := validated[0].keys() & validated[1].keys():
    step = max(shared)
    a, b = (lines[step] for lines in validated)
    for name in sorted(key for key in a.keys() & b.keys() if key.startswith("valid/")):
      yield f"{name} after step {step:,}: {a[name]} and {b[name]}"


def _validates(line: Mapping[str, Any]) -> bool:
  return any(name.startswith("valid/") for name in line)


def parts(workdir: str) -> dict[str, dict[str, Any]]:
  """Flat values of what a run is, of its data, and of the code and the machine of its newest
  checkpoint.

  Raises:
    UserError: there is no run, or a file of it cannot be read.
  """
  folder = pathlib.Path(workdir)
  config = dict(configs.flat(read_config(workdir)))
  data, path = {}, folder / "data.json"
  if path.is_file():
    try:
      data = dict(_flat(json.loads(path.read_text())))
    except ValueError as error:
      raise UserError(f"{path}: unreadable ({error})") from None
  saved = steps(folder / "checkpoints")
  machine = pretrained.read_metadata(workdir)[1].get("machine", {}) if saved else {}
  about = dict(_flat(machine))
  code = {key: x for key, x in about.items() if key.startswith(("git.", "versions.seqlab"))}
  environment = {key: x for key, x in about.items() if key not in code}
  return dict(config=config, data=data, code=code, environment=environment)


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
  """Dotted keys with their values, of dicts and lists of them."""
  if isinstance(content, list):
    content = dict(enumerate(content))
  for key, value in content.items():
    if isinstance(value, dict | list) and value:
      yield from _flat(value, f"{prefix}{key}.")
    else:
      yield f"{prefix}{key}", value
