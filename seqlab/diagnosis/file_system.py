"""Whether a file system keeps the promises that runs rely on: names that appear whole, one writer
at a time, bytes that come back as they were.
"""

import fcntl
import logging
import os
import pathlib
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np

from seqlab.checkpoint import Checkpoints
from seqlab.diagnosis import Failed

MEGABYTE = 1 << 20
SECONDS = 60.0  # how far the clock of a file server may be off before it misleads


def space(folder: pathlib.Path) -> str:
  free = shutil.disk_usage(folder).free
  if free < 100 * MEGABYTE:
    raise Failed(f"{free / MEGABYTE:,.0f} MB free; a few checkpoints fill it")
  return f"{free / 1e9:,.1f} GB free"


def writing(folder: pathlib.Path, size: int = 64) -> str:
  """size: megabytes."""
  path, block = folder / "written", os.urandom(MEGABYTE)
  began = time.perf_counter()
  with open(path, "wb") as file:
    for _ in range(size):
      file.write(block)
    os.fsync(file.fileno())
  took = time.perf_counter() - began
  if path.read_bytes() != block * size:
    raise Failed(f"{size} MB that were written are read as others")
  return f"{size / took:,.0f} MB/s onto the disk, read as written"


def renaming(folder: pathlib.Path, times: int = 200) -> str:
  """A file that is replaced is never seen torn, nor missing."""
  path, new, done = folder / "replaced", folder / "replaced.tmp", threading.Event()
  path.write_bytes(b"0" * 4096)

  def look() -> int:
    torn = 0
    while not done.is_set():
      try:
        seen = path.read_bytes()
        torn += len(seen) != 4096 or len(set(seen)) != 1
      except OSError:
        torn += 1
    return torn

  with ThreadPoolExecutor(1) as beside:
    looking = beside.submit(look)
    for number in range(times):
      new.write_bytes(bytes([number % 256]) * 4096)
      os.replace(new, path)
    done.set()
    if torn := looking.result():
      raise Failed(f"a file that was replaced {times} times was seen torn or missing {torn} times")
  return f"{times} times under a reader's eyes, never torn"


def linking(folder: pathlib.Path, racers: int = 8) -> str:
  """Of several that give one name to a file of their own, one succeeds."""
  name, together = folder / "linked", threading.Barrier(racers)

  def race(number: int) -> bool:
    own = folder / f"linked.{number}"
    own.write_text(str(number))
    together.wait()
    try:
      os.link(own, name)
    except FileExistsError:
      return False
    return True

  with ThreadPoolExecutor(racers) as pool:
    try:
      won = sum(pool.map(race, range(racers)))
    except OSError as error:
      raise Failed(f"no hard links ({error.strerror})") from None
  if won != 1:
    raise Failed(f"{won} of {racers} made the same file")
  return f"of {racers} that made one file, one did"


def locking(folder: pathlib.Path) -> str:
  """A lock (flock) keeps others out."""
  path = folder / "locked"
  with open(path, "w") as first, open(path, "w") as second:
    try:
      fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise Failed(f"no locks ({error.strerror}): prepare data in one process first") from None
    try:
      fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      return "keeps others out"
  raise Failed("two hold one lock: prepare data in one process first")


def clock(folder: pathlib.Path) -> str:
  """The times of files against the clock of this machine."""
  path = folder / "timed"
  path.write_text("")
  apart = path.stat().st_mtime - time.time()
  if abs(apart) > SECONDS:
    raise Failed(f"its times are {apart:+,.0f} s off this machine's clock")
  return f"its times are within {abs(apart):.2f} s of this machine's clock"


def checkpointing(folder: pathlib.Path) -> str:
  """What a checkpoint holds comes back bit for bit, and one with a flipped bit is refused."""
  where = folder / "checkpoints"
  state = {"x_DF": jnp.asarray(np.random.default_rng(0).standard_normal((1024, 1024), np.float32))}
  began = time.perf_counter()
  with Checkpoints(where) as checkpoints:
    checkpoints.save(1, state)
    checkpoints.wait()
    restored = checkpoints.restore(state)
  took = time.perf_counter() - began
  if restored is None or not np.array_equal(restored[0]["x_DF"], state["x_DF"]):
    raise Failed("a checkpoint does not come back as it was")
  largest = max((p for p in where.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
  damaged = bytearray(largest.read_bytes())
  damaged[len(damaged) // 2] ^= 1
  largest.write_bytes(damaged)
  logging.disable(logging.WARNING)  # of the damage, which is done on purpose
  try:
    with Checkpoints(where) as checkpoints:
      seen = checkpoints.restore(state) is None
  finally:
    logging.disable(logging.NOTSET)
  if not seen:
    raise Failed("a flipped bit in a checkpoint goes unseen")
  return f"4 MB written and read in {took:.2f} s; a flipped bit is seen"


CHECKS = dict(
  space=space,
  writing=writing,
  renaming=renaming,
  linking=linking,
  locking=locking,
  clock=clock,
  checkpoint=checkpointing,
)
