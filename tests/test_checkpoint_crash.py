"""Checkpoints across processes: fewer devices, a disk that refuses, SIGKILL in a save."""

import itertools
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from states import lay, make_state

from seqlab.checkpoint import Checkpoints

ROOT = pathlib.Path(__file__).parents[1]


def python(code: str, *arguments, **env: str) -> subprocess.CompletedProcess:
  path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
  return subprocess.run(
    [sys.executable, "-c", code, *map(str, arguments)],
    env={**os.environ, "PYTHONPATH": path, **env},
    capture_output=True,
    text=True,
    timeout=120,
  )


ONE_DEVICE = """
import sys
from seqlab import runtime
runtime.configure()
import jax
from seqlab.checkpoint import Checkpoints
from states import assert_same, make_state
assert jax.device_count() == 1
with Checkpoints(sys.argv[1]) as checkpoints:
  assert_same(checkpoints.restore(make_state(0))[0], make_state(5))
"""


def test_a_process_with_one_device_reads_what_eight_wrote(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(5, lay(make_state(5), 8))
  done = python(ONE_DEVICE, tmp_path, JAX_NUM_CPU_DEVICES="1")
  assert done.returncode == 0 and done.stderr == "", done.stderr


FULL_DISK = """
import resource, signal, sys
from seqlab import runtime
runtime.configure()
import jax
from seqlab.checkpoint import Checkpoints
from seqlab.errors import UserError
from states import make_state
with Checkpoints(sys.argv[1]) as checkpoints:
  checkpoints.save(1, make_state(1))
  checkpoints.wait()
  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
  checkpoints.save(2, make_state(2, width=512))
  try:
    checkpoints.wait()
  except UserError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes by setrlimit")
def test_a_write_that_the_system_refuses_is_one_line(tmp_path):
  """A limit on file sizes stands in for a full disk: the write fails inside tensorstore."""
  done = python(FULL_DISK, tmp_path, JAX_ENABLE_COMPILATION_CACHE="0")
  assert done.returncode == 0 and done.stderr == "", done.stderr
  assert done.stdout.count("\n") == 1
  assert "step 2 could not be written (File too large); step 1 is the last good" in done.stdout
  assert [p.name for p in tmp_path.iterdir()] == ["1"]


SAVER = """
import sys
from seqlab import runtime
runtime.configure()
import jax, jax.numpy as jnp
from seqlab.checkpoint import Checkpoints
state = lambda n: {"x": jnp.arange(1_000_000.0) + n, "step": jnp.int32(n)}
checkpoints = Checkpoints(sys.argv[1])
found = checkpoints.restore(state(0))
start = found[1] if found else 0
if found:
  assert (found[0]["x"] == state(start)["x"]).all()
print("start", start, flush=True)
for n in range(start + 1, start + 1000):
  checkpoints.save(n, state(n))
  print("saving", n, flush=True)
"""


def test_kill_in_the_middle_of_a_save_leaves_the_previous_step_good(tmp_path):
  started = []
  for _ in range(3):
    process = subprocess.Popen(
      [sys.executable, "-c", SAVER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    started.append(int(process.stdout.readline().split()[1]))
    newest = started[-1]
    while newest < started[-1] + 3:
      newest = int(process.stdout.readline().split()[1])
    while True:  # stopped first, to know that what the kill meets is a save under way
      process.send_signal(signal.SIGSTOP)
      os.waitpid(process.pid, os.WUNTRACED)
      if half := list(tmp_path.glob("*.orbax-checkpoint-tmp")):
        break
      process.send_signal(signal.SIGCONT)
      time.sleep(0.003)
    process.kill()
    process.wait()
    process.stdout.close()
  # Step n is announced when n - 1 is whole, so that a kill loses no more than what was under way.
  assert started[0] == 0
  assert all(later >= earlier + 2 for earlier, later in itertools.pairwise(started))
  assert not list(tmp_path.glob("*.bad"))
  assert half
  Checkpoints(tmp_path).close()
  assert all(path.name.isdecimal() for path in tmp_path.iterdir())
