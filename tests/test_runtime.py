"""The runtime: quick to import, cached code equals fresh code, the description is complete."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from seqlab import runtime

ROOT = pathlib.Path(__file__).parents[1]


def python(code: str, **env: str) -> str:
  done = subprocess.run(
    [sys.executable, "-W", "error", "-c", code],
    cwd=ROOT,
    env={**os.environ, **env},
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  assert done.stderr == "", "the user would see this noise"
  return done.stdout.strip()


def test_importing_runtime_does_not_import_jax():
  assert python("import sys, seqlab.runtime; print('jax' in sys.modules)") == "False"


def test_malloc_switch():
  code = "from seqlab import runtime; print(runtime.tune_malloc())"
  assert python(code, SEQLAB_MALLOC="0") == "False"
  if sys.platform == "linux":
    assert python(code, SEQLAB_MALLOC="1") == "True"


def test_malloc_keeps_freed_memory():
  """With the allocator tuned, freeing 64 MB leaves the resident set where it was."""
  if sys.platform != "linux":
    pytest.skip("reads /proc")
  code = """
import ctypes, os
from seqlab import runtime
runtime.tune_malloc()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
  with open("/proc/self/statm") as statm:
    return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
block = libc.malloc(64 << 20)
ctypes.memset(block, 1, 64 << 20)
libc.free(block)
print((resident() - before) > 60 << 20)
"""
  assert python(code, SEQLAB_MALLOC="1") == "True"
  assert python(code, SEQLAB_MALLOC="0") == "False"


STEPS = """
import sys
from seqlab import runtime
runtime.configure(sys.argv[1] if len(sys.argv) > 1 else None)
import functools, hashlib
import jax, jax.numpy as jnp, numpy as np
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name.endswith("cache_hits")))
@functools.partial(jax.jit, donate_argnums=0)
def step(w_DD, x_TBD):
  def loss(w_DD):
    def cell(h_BD, x_BD):
      h_BD = jnp.tanh(h_BD @ w_DD + x_BD)
      return h_BD, h_BD
    h_BD, h_TBD = jax.lax.scan(cell, jnp.zeros_like(x_TBD[0]), x_TBD)
    return jnp.mean(jax.nn.logsumexp(h_TBD @ w_DD, -1) ** 2)
  return w_DD - 0.1 * jax.grad(loss)(w_DD)
w_DD = jax.random.normal(jax.random.key(0), (48, 48)) * 0.2
x_TBD = jax.random.normal(jax.random.key(1), (20, 8, 48))
for _ in range(5):
  w_DD = step(w_DD, x_TBD)
print(hashlib.sha256(np.asarray(w_DD).tobytes()).hexdigest(), any(hits))
"""


def test_cached_executables_are_bitwise_equal_and_quiet(tmp_path):
  """A resumed run loads from the cache what the killed one compiled: the numbers must not move."""
  cache = {"XDG_CACHE_HOME": str(tmp_path), "JAX_NUM_CPU_DEVICES": "1"}
  plain, missed = python(STEPS, JAX_ENABLE_COMPILATION_CACHE="0", **cache).split()
  assert missed == "False"
  cold, missed = python(STEPS, **cache).split()
  assert missed == "False"
  warm, hit = python(STEPS, **cache).split()
  assert hit == "True"
  assert plain == cold == warm
  assert list((tmp_path / "seqlab" / "xla").glob("*/jit_step*"))


def test_users_cache_directory_wins(tmp_path):
  code = "from seqlab import runtime; runtime.configure('/nowhere'); import jax; "
  code += "print(jax.config.jax_compilation_cache_dir)"
  assert python(code, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == str(tmp_path)


def test_describe_is_json_and_complete():
  found = json.loads(json.dumps(runtime.describe()))
  assert found["devices"] == jax.device_count()
  assert found["device"] and found["cpu"]
  wanted = {"python", "seqlab", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"}
  assert wanted <= set(found["versions"])
  assert found["versions"]["jax"] == jax.__version__


def test_git_revision_sees_edits(tmp_path):
  assert runtime.git_revision(tmp_path) is None
  git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
  (tmp_path / "a").write_text("1")
  for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "a"]):
    subprocess.run([*git, *command], check=True)
  clean = runtime.git_revision(tmp_path)
  assert clean is not None and not clean["dirty"] and len(clean["revision"]) == 40
  (tmp_path / "a").write_text("2")
  assert runtime.git_revision(tmp_path) == {**clean, "dirty": True}
  nested = tmp_path / "site-packages"
  nested.mkdir()
  assert runtime.git_revision(nested) is None
