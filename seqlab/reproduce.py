"""`seqlab reproduce`: published results run anew, PASS or FAIL by the bounds their files state.

Runs lie in WORKDIR/TARGET/ARGUMENT/seedN; what is there is not run again, and what was stopped goes
on. What was measured is written after each result.
"""

import datetime
import hashlib
import itertools
import json
import os
import pathlib
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seqlab import runtime, verdicts
from seqlab.claims import Claim, Result, find, read_claims
from seqlab.errors import UserError
from seqlab.exits import STOPPED
from seqlab.table import show

ENDED = (STOPPED, 130)  # the codes of a run and of another command that Ctrl-C ended

_writing = threading.Lock()


class Commands:
  """Runs commands in processes of their own. quiet: says which, but not what they say."""

  def __init__(self, quiet: bool):
    self._quiet, self._stopped = quiet, False
    self._running = set[subprocess.Popen]()

  def __call__(self, *arguments: str) -> None:
    """Runs one.

    Raises:
      UserError: it failed, with the last line that it said.
      KeyboardInterrupt: it was stopped.
    """
    if self._stopped:
      raise KeyboardInterrupt
    print(f"  $ {shlex.join(['seqlab', *arguments])}", flush=True)
    command = [sys.executable, "-m", "seqlab.cli", *arguments]
    out = subprocess.DEVNULL if self._quiet else None
    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process:
      self._running.add(process)
      _, err = process.communicate()
      self._running.discard(process)
    if self._stopped or process.returncode in ENDED:
      raise KeyboardInterrupt
    if process.returncode:
      said = [line for line in err.splitlines() if line.strip()]
      last = said[-1].removeprefix("seqlab: ") if said else f"exit {process.returncode}"
      raise UserError(last)

  def stop(self) -> None:
    """Ends those that run, which save first, and runs no more."""
    self._stopped = True
    for process in tuple(self._running):
      process.terminate()


def run(target: Sequence[str], list: bool, all: bool, workdir: str, jobs: int = 1) -> int:
  """Runs what is missing of the targets, prints a line for each result and writes docs/results.md;
  with `list` runs nothing; of `all`, what wants a device that is not here waits. Returns 1 where a
  result fails or could not be measured, so that a script can tell.

  jobs: targets that are run at a time, each on its share of the cores.
  """
  claims = read_claims()
  chosen = [find(claims, name) for name in target] or [*claims.values()]
  if not (target or list or all):
    raise UserError("name a target, or give --all or --list; `seqlab reproduce --list` shows them")
  machine, seqlab = {} if list else runtime.describe(), Commands(quiet=jobs > 1)

  def reproduce(claim: Claim) -> bool:
    """Whether all of its results were measured that can be here."""
    apart = all and claim.wants not in ("", machine["backend"])
    print(f"{claim.target}: {claim.says} ({claim.cost})", flush=True)
    before = verdicts.known().get(claim.target, {})
    for found in _reproduce(claim, pathlib.Path(workdir), before, machine, apart, seqlab):
      with _writing:  # read again: another may have written since
        verdicts.write(claims, verdicts.known() | {claim.target: found})
    return apart or not any(about["why"] for about in found.values())

  measured = [True]
  if not list:
    with ThreadPoolExecutor(
      jobs, initializer=_take_share, initargs=(itertools.count(), jobs)
    ) as to:
      try:
        measured = [*to.map(reproduce, chosen)]
      except KeyboardInterrupt:
        seqlab.stop()
        to.shutdown(wait=False, cancel_futures=True)
        raise
  known = verdicts.known()
  rows = [row for claim in chosen for row in verdicts.rows_of(claim, known.get(claim.target, {}))]
  heads = ("result", "metric", "published", "wanted", "measured", "seeds", "")
  show("published results", heads, rows)
  if list:
    for claim in chosen:
      print(f"{claim.target}: {claim.says}\n  {claim.source}\n  cost: {claim.cost}")
    return 0
  print(f"written: {verdicts.PAGE}")
  return int(not min(measured) or any(row[-1] == verdicts.FAIL for row in rows))


def _take_share(numbers: Iterator[int], jobs: int) -> None:
  """Gives the thread that calls it, and the processes that it starts, its share of the cores."""
  if hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[next(numbers) % min(jobs, len(cores)) :: jobs])


def _reproduce(
  claim: Claim,
  workdir: pathlib.Path,
  known: Mapping[str, Any],
  machine: Mapping[str, Any],
  apart: bool,
  seqlab: Commands,
) -> Iterator[dict[str, Any]]:
  """After each result, what was measured of all by their names: the seeds' values, or why there are
  none. apart: it wants another device, so nothing is run.
  """
  trained = set[pathlib.Path]()
  found = {result.name: known[result.name] for result in claim.results if result.name in known}
  for result in claim.results:
    values: list[float] = []
    why = ""
    for seed in result.seeds if not apart else ():
      try:
        values.append(_measure(claim, result, workdir, seed, trained, seqlab))
      except UserError as error:
        why = str(error)
        print(f"  {result.name}: {why}", file=sys.stderr, flush=True)
        break
      print(f"  {claim.target}: {result.name}: {result.metric} {values[-1]:.4g}", flush=True)
    if apart:
      why = f"it wants a {claim.wants.upper()}: seqlab reproduce {claim.target}"
    whole, before = len(values) == len(result.seeds), found.get(result.name, {}).get("values")
    # what was measured before, here or elsewhere, keeps its date
    if not before or (whole and values != before):
      found[result.name] = {
        "values": values if whole else [],
        "why": why,
        "date": datetime.date.today().isoformat(),
        "machine": {name: machine[name] for name in ("device", "devices", "cpu")}
        | {"cpus": runtime.cores()},
      }
    elif not apart:
      found[result.name] |= {"why": why}
    yield found


def _measure(
  claim: Claim,
  result: Result,
  workdir: pathlib.Path,
  seed: int,
  trained: set[pathlib.Path],
  seqlab: Commands,
) -> float:
  """Trains one run, or finds it trained, and measures it, or finds that done. trained: folders of
  runs that are known to be.
  """
  argument = result.argument.replace("{seed}", str(seed))
  folder = workdir / claim.target / (argument or "config") / f"seed{seed}"
  file = f"{claim.file}:{argument}" if argument else str(claim.file)
  if folder not in trained:
    seqlab("train", f"--config={file}", f"--config.seed={seed}", f"--workdir={folder}")
    trained.add(folder)
  command, *flags = shlex.split(result.measure)
  given = dict(flag.lstrip("-").split("=", 1) for flag in flags if "=" in flag)
  part = "data" if "data" in given else given.get("split", "valid")
  path = folder / (f"{command}.json" if command == "coordinates" else f"{command}_{part}.json")
  # a copy, as another command may write the same file
  kept = folder / f"measured_{_what(result.measure, folder)}.json"
  if not kept.exists():
    seqlab(command, f"--workdir={folder}", *flags)
    kept.write_text(path.read_text())
  numbers = json.loads(kept.read_text())
  if result.metric not in numbers:
    raise UserError(f"{path}: no metric {result.metric!r}; it has {', '.join(numbers)}")
  return float(numbers[result.metric])


def _what(measure: str, folder: pathlib.Path) -> str:
  """Says what a number is of: the command, the config of the run and the files that it loads."""
  config = (folder / "config.json").read_text()
  plugins = (pathlib.Path(file).read_text() for file in json.loads(config)["plugins"])
  return hashlib.sha256("\0".join([measure, config, *plugins]).encode()).hexdigest()[:12]
