"""`seqlab doctor`: whether this machine can train: its devices, its file system, a small run."""

import contextlib
import functools
import io
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator

import jax

from seqlab import config as configs
from seqlab import metrics, runtime, train
from seqlab.diagnosis import Failed, devices, file_system
from seqlab.errors import UserError

# A run that draws its own data.
SMALL = (
  "data.source=parity()", "objective=answers()", "steps=60", "length=32",
  "model.width=64", "model.depth=2", "evaluate.every=60", "evaluate.batches=1",
)  # fmt: skip


def run(workdir: str) -> int:
  """Tries what a run needs of the machine and of the folder that its runs are to lie in; prints
  what was found and returns 0, or 1 where something does not hold.

  Raises:
    UserError: the folder cannot be written.
  """
  with contextlib.ExitStack() as stack:
    try:
      pathlib.Path(workdir).mkdir(parents=True, exist_ok=True)
      made = stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-", dir=workdir))
    except OSError as error:
      raise UserError(f"--workdir={workdir}: cannot be written ({error.strerror})") from None
    folder = pathlib.Path(made)
    for name, found in machine():
      print(f"{name:<12}{found}", flush=True)
    print(f"\nfiles are tried in {workdir}", flush=True)
    checks: dict[str, Callable[[], str]] = {
      **{name: functools.partial(of, folder) for name, of in file_system.CHECKS.items()},
      **devices.CHECKS,
      "run": functools.partial(small_run, folder / "run"),
    }
    return int(not min([*map(holds, checks, checks.values())]))


def holds(name: str, check: Callable[[], str]) -> bool:
  """Prints what a check finds; whether it holds."""
  try:
    print(f"{name:<12}ok     {check()}", flush=True)
    return True
  except Exception as error:  # whatever a broken device or disk raises
    said = str(error).strip().splitlines() or [type(error).__name__]
    print(f"{name:<12}FAILS  {said[0]}", flush=True)
    return False


def machine() -> Iterator[tuple[str, str]]:
  """What there is to compute with, in rows."""
  about = runtime.describe()
  yield "devices", f"{about['devices']} {about['device']} ({about['backend']})"
  limits = [d.memory_stats() or {} for d in jax.local_devices()]
  if memory := [stats["bytes_limit"] for stats in limits if "bytes_limit" in stats]:
    yield "memory", f"{min(memory) / 1e9:.1f} GB"
  total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  yield "cores", f"{about['cpus']} of {about['cpu']}, {total / 1e9:.1f} GB of memory"
  yield "platform", about["platform"]
  yield "versions", ", ".join(f"{name} {version}" for name, version in about["versions"].items())
  cache = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
  yield "programs", f"kept in {cache}" if cache else "are not kept: the cache cannot be written"


def small_run(folder: pathlib.Path) -> str:
  """A run from its config to its checkpoint: how long until the first step, and of a step."""
  config = configs.load("", [*SMALL, f"batch={32 * jax.device_count()}"])
  began = time.time()
  with contextlib.redirect_stdout(io.StringIO()) as said:
    code = train.run(config, str(folder))
  if code:
    raise Failed(f"a small run ends with code {code}: {said.getvalue().strip()[-200:]}")
  lines = metrics.read(folder)
  rates = [line["steps_per_second"] for line in lines if "steps_per_second" in line]
  return f"first steps after {lines[0]['time'] - began:.1f} s, then {1e3 / max(rates):.1f} ms each"
