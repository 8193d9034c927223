"""What must be settled before jax starts, and what a run card says about the machine.

Commands call `tune_malloc()`, then `configure()`, before anything touches a device. Importing this
module does not import jax, so that `--help` stays quick.
"""

import contextlib
import ctypes
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

import seqlab

# mallopt(3) parameter numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def tune_malloc() -> bool:
  """Keeps freed memory in the process, so that XLA:CPU does not fault it in again every step.

  Each execution allocates its temporary buffer anew; above 32 MB glibc maps and unmaps it, which
  makes the step of a small GPT 1.2 to 1.7 times as long. The price is that resident memory stays at
  its peak.
  `SEQLAB_MALLOC=0` leaves the allocator alone. Returns whether it was tuned; False off glibc.
  """
  if os.environ.get("SEQLAB_MALLOC") == "0" or platform.libc_ver()[0] != "glibc":
    return False
  mallopt = ctypes.CDLL(None).mallopt
  settings = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 256 << 20}
  return all([mallopt(parameter, value) == 1 for parameter, value in settings.items()])


def configure(cache_dir: str | os.PathLike | None = None) -> None:
  """Sets the environment of jax: the persistent compilation cache and the share of GPU memory.

  Variables that the user has set win: `JAX_COMPILATION_CACHE_DIR` names another cache,
  `JAX_ENABLE_COMPILATION_CACHE=0` turns it off. Machines may share a home directory: compiled CPU
  code depends on the instruction set, which jax's key leaves out, so it is part of our path.
  Executables from the cache compute bitwise what fresh ones do (tested), and an entry that a kill
  tore is compiled again.
  """
  os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.9")
  import jax

  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    cache = pathlib.Path(cache_dir or home / "seqlab" / "xla").absolute() / _cpu_fingerprint()
    # A home that cannot be written costs the cache, not the run.
    with contextlib.suppress(OSError):
      cache.mkdir(parents=True, exist_ok=True)
      jax.config.update("jax_compilation_cache_dir", str(cache))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
  devices = jax.config.jax_num_cpu_devices  # type: ignore[attr-defined]
  if devices > 1:
    simulate_devices(devices)


def simulate_devices(count: int) -> None:
  """Makes a CPU show `count` devices, before any is used; where there is a GPU or TPU, nothing
  changes.

  XLA runs the devices on one pool of threads, by default one each. Collectives of a program that do
  not depend on each other, or of two programs in flight, then take all threads on some devices and
  wait for the others' until XLA ends the process; more threads and one program at a time cannot.
  """
  import jax

  os.environ.setdefault("NPROC", str(4 * count))  # what XLA sizes its pool by
  jax.config.update("jax_num_cpu_devices", count)
  jax.config.update("jax_cpu_enable_async_dispatch", False)


def cores() -> int:
  """How many this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def describe() -> dict[str, Any]:
  """Returns what a reader needs to judge or repeat a run, JSON-able: devices, versions, git."""
  import jax

  devices = jax.devices()
  return {
    "device": devices[0].device_kind,
    "devices": len(devices),
    "processes": jax.process_count(),
    "backend": jax.default_backend(),
    "cpu": _cpu_model(),
    "cpus": cores(),
    "platform": platform.platform(),
    "versions": versions(),
    "git": {
      "seqlab": git_revision(pathlib.Path(seqlab.__file__).parent),
      "cwd": git_revision(pathlib.Path.cwd()),
    },
  }


def versions() -> dict[str, str]:
  """Returns the versions of Python, seqlab and the packages that decide a run's numbers."""
  found = {"python": platform.python_version(), "seqlab": seqlab.__version__}
  for package in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy"):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      found[package] = importlib.metadata.version(package)
  return found


def git_revision(folder: pathlib.Path) -> dict[str, Any] | None:
  """Returns `{"revision": hash, "dirty": bool}` of the checkout that holds `folder`, or None."""

  def git(*arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()

  try:
    # A folder inside somebody else's checkout (a project's .venv) is not in its revision.
    if not git("ls-files", "--", "."):
      return None
    dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {"revision": git("rev-parse", "HEAD"), "dirty": dirty}
  except (OSError, subprocess.SubprocessError):
    return None


def _cpuinfo(field: str) -> str:
  """Returns the first `field` of /proc/cpuinfo, or '' where there is none."""
  with contextlib.suppress(OSError):
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
      name, _, value = line.partition(":")
      if name.strip() == field:
        return value.strip()
  return ""


def _cpu_model() -> str:
  return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpu_fingerprint() -> str:
  features = _cpuinfo("flags") or _cpuinfo("Features") or platform.processor()
  text = f"{platform.machine()} {_cpu_model()} {features}"
  return hashlib.sha256(text.encode()).hexdigest()[:12]
