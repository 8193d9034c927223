"""`seqlab reproduce`: published results run anew, PASS or FAIL by the bounds their files state.

Runs lie in WORKDIR/TARGET/ARGUMENT/seedN; what is there is not run again, and what was stopped goes
on. docs/results.json keeps what was measured, docs/results.md shows it, and below it the tables of
docs/tables/.
"""

import datetime
import hashlib
import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab import runtime
from seqlab.claims import Claim, Result, find, read_claims
from seqlab.errors import UserError
from seqlab.table import show

PAGE = pathlib.Path("docs/results.md")
TABLES = pathlib.Path("docs/tables")
PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"


def run(target: Sequence[str], list: bool, all: bool, workdir: str) -> int:
  """Runs what is missing of the targets, prints a line for each result and writes docs/results.md;
  with `list` runs nothing; of `all`, what wants a device that is not here waits. Returns 1 where a
  result fails or could not be measured, so that a script can tell.
  """
  claims = read_claims()
  chosen = [find(claims, name) for name in target] or [*claims.values()]
  if not (target or list or all):
    raise UserError("name a target, or give --all or --list; `seqlab reproduce --list` shows them")
  kept, machine, lacking = _kept(), {} if list else runtime.describe(), False
  for claim in chosen if not list else ():
    print(f"{claim.target}: {claim.says} ({claim.cost})", flush=True)
    apart = all and claim.wants not in ("", machine["backend"])
    known = kept.get(claim.target, {})
    for found in _reproduce(claim, pathlib.Path(workdir), known, machine, apart):
      kept = _kept() | {claim.target: found}  # read again: another process may have written since
      _write(claims, kept)
    lacking |= not apart and any(about["why"] for about in kept[claim.target].values())
  rows = [row for claim in chosen for row in _rows(claim, kept.get(claim.target, {}))]
  heads = ("result", "metric", "published", "wanted", "measured", "seeds", "")
  show("published results", heads, rows)
  if list:
    for claim in chosen:
      print(f"{claim.target}: {claim.says}\n  {claim.source}\n  cost: {claim.cost}")
  else:
    print(f"written: {PAGE}")
  return int(lacking or (not list and any(row[-1] == FAIL for row in rows)))


def _reproduce(
  claim: Claim,
  workdir: pathlib.Path,
  kept: Mapping[str, Any],
  machine: Mapping[str, Any],
  apart: bool,
) -> Iterator[dict[str, Any]]:
  """After each result, what was measured of all by their names: the seeds' values, or why there are
  none. apart: it wants another device, so nothing is run.
  """
  trained = set[pathlib.Path]()
  found = {result.name: kept[result.name] for result in claim.results if result.name in kept}
  for result in claim.results:
    values: list[float] = []
    why = ""
    for seed in result.seeds if not apart else ():
      try:
        values.append(_measure(claim, result, workdir, seed, trained))
      except UserError as error:
        why = str(error)
        print(f"  {result.name}: {why}", file=sys.stderr, flush=True)
        break
    if apart:
      why = f"it wants a {claim.wants.upper()}: seqlab reproduce {claim.target}"
    whole = len(values) == len(result.seeds)
    if whole or not found.get(result.name, {}).get("values"):  # measured elsewhere, it stays
      found[result.name] = {
        "values": values if whole else [],
        "why": why,
        "date": datetime.date.today().isoformat(),
        "machine": {name: machine[name] for name in ("device", "devices", "cpu", "cpus")},
      }
    elif not apart:
      found[result.name] = found[result.name] | {"why": why}
    yield found


def _measure(
  claim: Claim, result: Result, workdir: pathlib.Path, seed: int, trained: set[pathlib.Path]
) -> float:
  """Trains one run, or finds it trained, and measures it, or finds that done. trained: folders of
  runs that are known to be.
  """
  argument = result.argument.replace("{seed}", str(seed))
  folder = workdir / claim.target / (argument or "config") / f"seed{seed}"
  file = f"{claim.file}:{argument}" if argument else str(claim.file)
  if folder not in trained:
    _seqlab("train", f"--config={file}", f"--config.seed={seed}", f"--workdir={folder}")
    trained.add(folder)
  command, *flags = shlex.split(result.measure)
  given = dict(flag.lstrip("-").split("=", 1) for flag in flags if "=" in flag)
  part = "data" if "data" in given else given.get("split", "valid")
  path = folder / (f"{command}.json" if command == "coordinates" else f"{command}_{part}.json")
  told = path.with_suffix(".command")
  if not told.exists() or told.read_text() != _signed(result.measure, path):
    _seqlab(command, f"--workdir={folder}", *flags)
    told.write_text(_signed(result.measure, path))
  numbers = json.loads(path.read_text())
  if result.metric not in numbers:
    raise UserError(f"{path}: no metric {result.metric!r}; it has {', '.join(numbers)}")
  return float(numbers[result.metric])


def _signed(measure: str, path: pathlib.Path) -> str:
  """The command that wrote a file, with the file's hash: another one may have written it since."""
  body = path.read_bytes() if path.exists() else b""
  return f"{measure}\n{hashlib.sha256(body).hexdigest()}\n"


def _seqlab(*arguments: str) -> None:
  """Runs a command in a process of its own, its output shown.

  Raises:
    UserError: it failed, with the last line that it said.
  """
  print(f"  $ {shlex.join(['seqlab', *arguments])}", flush=True)
  done = subprocess.run(
    [sys.executable, "-m", "seqlab.cli", *arguments], stderr=subprocess.PIPE, text=True
  )
  if done.returncode:
    said = [line for line in done.stderr.splitlines() if line.strip()]
    raise UserError(said[-1].removeprefix("seqlab: ") if said else f"exit {done.returncode}")


def _kept() -> dict[str, Any]:
  path = PAGE.with_suffix(".json")
  return json.loads(path.read_text()) if path.exists() else {}


def _rows(claim: Claim, kept: Mapping[str, Any]) -> list[tuple[str, ...]]:
  rows: list[tuple[str, ...]] = []
  for result in claim.results:
    values = kept.get(result.name, {}).get("values", [])
    number = result.number(values) if values else None
    verdict = NOT_RUN if number is None else PASS if result.low <= number <= result.high else FAIL
    spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    rows.append((
      f"{claim.target}: {result.name}",
      result.metric,
      result.published,
      f"{result.low:g} to {result.high:g}",
      "" if number is None else f"{number:.4g}{spread}",
      f"{result.over} of {len(result.seeds)}" if result.over != "mean" else str(len(result.seeds)),
      verdict,
    ))  # fmt: skip
  return rows


def write_page() -> None:
  """Writes the page anew from what is kept and from the tables there are."""
  _write(read_claims(), _kept())


def _write(claims: Mapping[str, Claim], kept: Mapping[str, Any]) -> None:
  """docs/results.json and docs/results.md, whole or not at all, of the targets that there are."""
  kept = {target: found for target, found in kept.items() if target in claims}
  lines = [
    "# Published results, run anew",
    "",
    "Written by `seqlab reproduce`; the numbers are in results.json. A result is the mean over "
    "seeds, or the best of them where that",
    "is said (smallest to largest in brackets), and passes within the bounds that its file in "
    "experiments/papers/ states.",
    "",
    "| result | metric | published | wanted | measured | seeds | |",
    "|---|---|---|---|---|---|---|",
  ]
  notes = []
  for claim in claims.values():
    known = kept.get(claim.target, {})
    rows = _rows(claim, known)
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    notes += ["", f"**{claim.target}** ({claim.cost}): {claim.says}. Source: {claim.source}.", ""]
    if claim.tried and any(row[-1] == FAIL for row in rows):
      notes.append(f"- FAIL: {claim.tried}")
    for name, about in known.items():
      if about["why"]:
        again = " again" if about["values"] else ""
        notes.append(f"- NOT RUN{again} ({name}): {about['why']}")
      if about["values"]:
        where = about["machine"]
        notes.append(
          f"- {name}: {about['date']}, {where['devices']} x {where['device']}, "
          f"{where['cpus']} core{'s' * (where['cpus'] > 1)}"
        )
  for table in sorted(TABLES.glob("*.md")):
    notes += ["", table.read_text().rstrip()]
    if table.with_suffix(".png").exists():
      notes += ["", f"![{table.stem}]({TABLES.name}/{table.stem}.png)"]
  PAGE.parent.mkdir(exist_ok=True)
  for path, text in (
    (PAGE.with_suffix(".json"), json.dumps(kept, indent=1) + "\n"),
    (PAGE, "\n".join([*lines, *notes]) + "\n"),
  ):
    whole = path.with_name(f"{path.name}.tmp")
    whole.write_text(text)
    whole.replace(path)
