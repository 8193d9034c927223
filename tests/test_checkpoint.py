"""Checkpoints: exact, on any mesh, retained by rule, and past damage.

"Trap N" are the behaviours of Orbax 0.12 that docs/decisions.md warns of; each has its test here.
"""

import itertools
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from seqlab import stored
from seqlab.checkpoint import Checkpoints, kept, steps
from seqlab.errors import UserError

# Orbax leaves tasks behind where a read fails, and Python tells of them later, in another test.
pytestmark = [
  pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
  pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
]


def make_state(step: int = 1, width: int = 8):
  """A train state with what Orbax stumbles over: namedtuples, empty trees, None, no elements."""
  key = jax.random.fold_in(jax.random.key(0), step)
  params = {
    "model": {
      "blocks_L": {"q_DHK": jax.random.normal(key, (2, width, 4))},
      "scale_D": jnp.arange(width, dtype=jnp.bfloat16) + step,
      "none_DF": jnp.zeros((0, 3)),
    }
  }
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3), optax.trace(0.9))
  opt = optimizer.init(params["model"])
  opt = jax.tree.map(lambda x: x + jnp.asarray(step, x.dtype), opt)
  extra = {
    "mask": jnp.array([True, False]),
    "empty": {},
    "nothing": None,
    "pair": (jnp.ones(2), ()),
  }
  return {"step": jnp.int32(step), "params": params, "opt": {"model": opt}, "extra": extra}


def assert_same(got, wanted):
  assert jax.tree.structure(got) == jax.tree.structure(wanted)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def abstract(state):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)


def save_steps(directory, numbers, **kwargs):
  with Checkpoints(directory, **kwargs) as checkpoints:
    for step in numbers:
      checkpoints.save(step, make_state(step), {"loss": 1.0 / step})


def damage(step: pathlib.Path) -> None:
  """Truncates the largest file of a step to half."""
  largest = max((p for p in step.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
  with open(largest, "r+b") as file:
    file.truncate(largest.stat().st_size // 2)


def test_a_state_comes_back_bit_for_bit(tmp_path):
  """Traps 9 and 10: no elements, empty trees, tuples and namedtuples."""
  state = make_state(3)
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore(state) is None
    assert checkpoints.save(3, state, {"loss": 1.0}, {"config": {"width": (1, 2)}})
  with Checkpoints(tmp_path) as checkpoints:
    for example in (make_state(0), abstract(make_state(0))):
      got, step, metadata = checkpoints.restore(example)
      assert step == 3 and metadata == {"config": {"width": [1, 2]}}
      assert_same(got, state)


def test_jit_takes_a_restored_state_without_compiling_again(tmp_path):
  """Trap 1 and more: neither saving nor restoring changes what jit sees."""
  compiled = []

  @jax.jit
  def step(state):
    compiled.append(1)
    return jax.tree.map(lambda x: x, state)

  state = step(make_state(1))
  keys = set(state)
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, state, {"loss": 1.0})
    assert set(state) == keys
    step(checkpoints.restore(state)[0])
  assert len(compiled) == 1


def test_metadata_holds_any_json_and_is_exact(tmp_path):
  """Trap 11: 128-bit integers, and numbers that JSON proper does not know."""
  metadata = {"rng": 2**127 + 1, "clip": float("inf"), "中文": [1.1, None, True, {"a/b": ""}]}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, make_state(1), metadata=metadata)
    assert checkpoints.restore(make_state(0))[2] == metadata


def test_a_relative_directory_will_do(tmp_path, monkeypatch):
  """Trap 8."""
  monkeypatch.chdir(tmp_path)
  save_steps("run/checkpoints", [1])
  assert steps(tmp_path / "run" / "checkpoints") == [1]


def test_donating_right_after_save_does_not_reach_the_file(tmp_path):
  step = jax.jit(
    lambda s: jax.tree.map(lambda x: ~x if x.dtype == bool else x + 1, s), donate_argnums=0
  )
  state = {"x": jnp.arange(200_000.0), "step": jnp.int32(0), "on": jnp.array([True])}
  host = np.arange(1000)
  with Checkpoints(tmp_path, keep=9) as checkpoints:
    for n in range(5):
      checkpoints.save(n, {**state, "host": host})
      state = step(state)
      host += 1  # a caller may write into its own array
    checkpoints.wait()
    for n in range(5):
      got, metadata = stored_state(tmp_path / str(n), {**state, "host": host})
      assert metadata == {}
      assert got["x"][0] == n and int(got["step"]) == n and got["host"][0] == n


def stored_state(path, example):
  from seqlab.checkpoint import _read

  return _read(path, example)


def test_save_returns_before_the_write_ends(tmp_path, monkeypatch):
  gate, write = threading.Event(), stored.write

  class Slow:
    def __init__(self, response):
      self.response = response

    def result(self):
      assert gate.wait(30)
      return self.response.result()

  monkeypatch.setattr(stored, "write", lambda *a: Slow(write(*a)))
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.save(1, make_state(1))
    assert checkpoints._pending is not None and not checkpoints._pending[1].done()
    gate.set()
    checkpoints.wait()
    assert checkpoints._pending is None


def test_a_step_is_saved_once(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.save(1, make_state(1))
    assert not checkpoints.save(1, make_state(2))
    assert_same(checkpoints.restore(make_state(0))[0], make_state(1))


# Retention.


def test_kept_is_newest_and_best():
  loss = {1: 5.0, 2: 1.0, 3: float("nan"), 4: 3.0, 5: float("inf"), 6: 4.0}
  metrics = {step: {"loss": value} for step, value in loss.items()} | {7: {}, 8: {}}
  assert kept(metrics, 2, 1, "loss") == {7, 8, 2}  # traps 2, 3, 4
  assert kept(metrics, 1, 2, "loss") == {8, 2, 4}
  assert kept(metrics, 1, 1, None) == {8}
  assert kept(metrics, 1, 1, "accuracy") == {8}
  assert kept({}, 2, 1, "loss") == set()


def test_retention_on_disk_and_over_a_restart(tmp_path):
  """Traps 2 to 6: NaN is not best, jax scalars are numbers, no metrics is not for ever."""
  with Checkpoints(tmp_path) as checkpoints:
    for step, loss in ((1, jnp.float32(2.0)), (2, jnp.float32(jnp.nan)), (3, 9.0), (4, 9.0)):
      checkpoints.save(step, make_state(step), {"loss": loss})
  assert steps(tmp_path) == [1, 3, 4]
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(5, make_state(5))
    checkpoints.save(6, make_state(6), {"loss": 1.0})
    checkpoints.save(7, make_state(7))
    checkpoints.save(8, make_state(8))
  assert steps(tmp_path) == [6, 7, 8]
  assert {p.name for p in tmp_path.iterdir()} == {"6", "7", "8"}


# Damage.


def test_a_damaged_newest_step_is_quarantined(tmp_path, caplog):
  save_steps(tmp_path, [1, 2])
  damage(tmp_path / "2")
  with caplog.at_level(logging.WARNING), Checkpoints(tmp_path) as checkpoints:
    state, step, _ = checkpoints.restore(make_state(0))
    assert step == 1
    assert_same(state, make_state(1))
    assert checkpoints.latest == 1
    assert checkpoints.save(2, make_state(2))  # Orbax's manager would say that it exists
  assert len(caplog.messages) == 1 and "falling back to step 1" in caplog.text
  assert "\n" not in caplog.messages[0]
  assert steps(tmp_path) == [1, 2] and (tmp_path / "2.bad").is_dir()
  damage(tmp_path / "2")
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore(make_state(0))[1] == 1
  assert (tmp_path / "2.bad1").is_dir()


def test_no_good_step_left_is_none(tmp_path):
  save_steps(tmp_path, [1])
  damage(tmp_path / "1")
  (tmp_path / "7").mkdir()  # a bare directory counts as a step for Orbax
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore(make_state(0)) is None
  assert steps(tmp_path) == []


def test_no_flipped_bit_and_no_lost_file_goes_unseen(tmp_path):
  """Whatever happens to a file, one reads the exact state, or Damaged: never other numbers."""
  save_steps(tmp_path / "good", [1, 2])
  (tmp_path / "good" / "2" / "files.json").unlink()  # as where a kill came before it
  files = [p for p in sorted((tmp_path / "good" / "2").rglob("*")) if p.is_file()]
  random = np.random.default_rng(0)
  reasons = []
  for file in files:
    size = file.stat().st_size
    edits = random.integers(0, size, 12 if "/d/" in str(file) else 3) if size else []
    for edit in (None, *edits):
      work = tmp_path / "work"
      shutil.rmtree(work, ignore_errors=True)
      shutil.copytree(tmp_path / "good", work)
      target = work / file.relative_to(tmp_path / "good")
      if edit is None:
        target.unlink()
      else:
        data = bytearray(target.read_bytes())
        data[edit] ^= 1 << int(random.integers(8))
        target.write_bytes(data)
      try:
        got, _ = stored_state(work / "2", make_state(0))
      except stored.Damaged as error:
        reasons.append(str(error))
      else:
        assert_same(got, make_state(2))
  assert any("altered" in reason for reason in reasons)
  assert len(reasons) > 20


def test_torn_files_are_told_by_their_size(tmp_path, monkeypatch):
  """Without asking Orbax, which prints pages about them."""
  save_steps(tmp_path / "good", [1])
  monkeypatch.setattr(stored.ocp, "metadata", lambda path: pytest.fail("asked Orbax"))
  for file in sorted((tmp_path / "good" / "1").rglob("*")):
    if file.is_file() and file.stat().st_size:
      for size in (None, file.stat().st_size // 2):
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        shutil.copytree(tmp_path / "good" / "1", tmp_path / "work")
        target = tmp_path / "work" / file.relative_to(tmp_path / "good" / "1")
        if size is None and file.name == "files.json":
          continue
        target.unlink() if size is None else target.write_bytes(target.read_bytes()[:size])
        with pytest.raises(stored.Damaged):
          stored.read_body(tmp_path / "work")


def test_numbers_that_changed_are_damage(tmp_path, monkeypatch):
  """What Orbax reads without complaint is still compared with what was saved."""
  save_steps(tmp_path, [1, 2])
  load = stored.ocp.load

  def rotten(path, tree):
    got = load(path, tree)
    if pathlib.Path(path).name == "2":
      got["state"]["params"]["model"]["scale_D"] = -got["state"]["params"]["model"]["scale_D"]
    return got

  monkeypatch.setattr(stored.ocp, "load", rotten)
  with pytest.raises(stored.Damaged, match="1 leaves fail their checksum: params/model/scale_D"):
    stored_state(tmp_path / "2", make_state(0))
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore(make_state(0))[1] == 1


# What is the user's to mend is neither damage nor silent.


@pytest.mark.parametrize(
  "change, said",
  [
    (lambda s: s["params"]["model"].update(new_D=jnp.ones(1)), "1 missing (params/model/new_D)"),
    (lambda s: s["params"]["model"].pop("scale_D"), "1 unexpected (params/model/scale_D)"),
    (
      lambda s: s["params"]["model"].update(scale_D=jnp.ones(3, jnp.bfloat16)),
      "params/model/scale_D: bfloat16[8] saved, bfloat16[3] wanted",
    ),
    (
      lambda s: s["params"]["model"].update(scale_D=jnp.ones(8, jnp.float32)),
      "params/model/scale_D: bfloat16[8] saved, float32[8] wanted",
    ),
    (
      lambda s: s["params"]["model"].update(none_DF=jnp.ones((0, 4))),
      "params/model/none_DF: float32[0,3] saved, float32[0,4] wanted",
    ),
  ],
)
def test_another_shape_is_a_user_error_and_stays(tmp_path, change, said):
  """Trap 7: Orbax hands a misspelt key back unfilled."""
  save_steps(tmp_path, [1, 2])
  example = make_state(0)
  change(example)
  with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError) as error:
    checkpoints.restore(example)
  assert said in str(error.value) and "\n" not in str(error.value)
  assert steps(tmp_path) == [1, 2]


def test_a_long_report_is_short(tmp_path):
  save_steps(tmp_path, [1])
  with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError) as error:
    checkpoints.restore(make_state(0, width=16))
  assert "mismatched" in str(error.value) and str(error.value).count("wanted") == 5


def test_a_passing_trouble_of_the_machine_is_not_damage(tmp_path, monkeypatch):
  save_steps(tmp_path, [1, 2])

  def refuse(*_):
    raise ValueError("PERMISSION_DENIED: Error opening file")

  with Checkpoints(tmp_path) as checkpoints:
    monkeypatch.setattr(stored.ocp, "load", refuse)
    with pytest.raises(UserError, match="cannot be read now"):
      checkpoints.restore(make_state(0))
  assert steps(tmp_path) == [1, 2]


def test_another_format_is_a_user_error(tmp_path):
  save_steps(tmp_path, [1])
  (tmp_path / "1" / "files.json").unlink()
  file = tmp_path / "1" / "_CHECKPOINT_METADATA"
  said = json.loads(file.read_text())
  body = {**said["custom_metadata"]["body"], "format": 99}
  file.write_text(json.dumps({**said, "custom_metadata": stored._seal(body)}))
  with pytest.raises(UserError, match="format 99"):
    Checkpoints(tmp_path)


def test_a_directory_that_cannot_be_made(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot be written"):
    Checkpoints(tmp_path / "file" / "checkpoints")


def test_a_failed_write_is_one_line_and_leaves_the_last_good_step(tmp_path, monkeypatch):
  """Trap 5: the failure shows at the next call, and the steps on disk stay known."""
  save_steps(tmp_path, [1])

  class Full:
    def result(self):
      raise OSError(28, "No space left on device")

  with Checkpoints(tmp_path) as checkpoints:
    with monkeypatch.context() as patch:
      patch.setattr(stored, "write", lambda *a: Full())
      checkpoints.save(2, make_state(2))
      with pytest.raises(UserError) as error:
        checkpoints.wait()
    said = str(error.value)
    assert "step 2 could not be written" in said and "No space left on device" in said
    assert "step 1 is the last good one" in said and "\n" not in said
    assert checkpoints.restore(make_state(0))[1] == 1
    assert checkpoints.save(3, make_state(3))  # the folder is still usable once there is space
  assert steps(tmp_path) == [1, 3]


def test_the_error_that_ends_a_run_is_not_hidden_by_a_failed_save(tmp_path, monkeypatch):
  class Full:
    def result(self):
      raise OSError(28, "No space left on device")

  monkeypatch.setattr(stored, "write", lambda *a: Full())
  with pytest.raises(ZeroDivisionError), Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, make_state(1))
    raise ZeroDivisionError


# Topology.


def lay(state, devices: int):
  """Shards every leaf's first axis that divides over a mesh of so many devices."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("data",))

  def put(x):
    axes = [a for a, n in enumerate(x.shape) if n and n % devices == 0]
    spec = P(*["data" if axes and a == axes[0] else None for a in range(x.ndim)])
    return jax.device_put(x, NamedSharding(mesh, spec))

  return jax.tree.map(put, state)


def test_a_state_moves_from_8_to_4_to_1_devices_and_back(tmp_path):
  state = make_state(1)
  laid, previous = lay(state, 8), 0
  for devices in (4, 1, 8):
    with Checkpoints(tmp_path) as checkpoints:
      checkpoints.save(previous + 1, laid)
      target = lay(make_state(0), devices)
      laid, previous, _ = checkpoints.restore(abstract(target))
    assert_same(laid, state)
    for got, wanted in zip(jax.tree.leaves(laid), jax.tree.leaves(target), strict=True):
      assert got.sharding.is_equivalent_to(wanted.sharding, got.ndim)
  assert previous == 3


ONE_DEVICE = """
import sys
from seqlab import runtime
runtime.configure()
import jax
from seqlab.checkpoint import Checkpoints
from test_checkpoint import assert_same, make_state
assert jax.device_count() == 1
with Checkpoints(sys.argv[1]) as checkpoints:
  assert_same(checkpoints.restore(make_state(0))[0], make_state(5))
"""


def python(code: str, *arguments, **env: str) -> subprocess.CompletedProcess:
  here = pathlib.Path(__file__).parent
  path = os.pathsep.join([str(here), str(here.parent)])
  return subprocess.run(
    [sys.executable, "-c", code, *map(str, arguments)],
    env={**os.environ, "PYTHONPATH": path, **env},
    capture_output=True,
    text=True,
    timeout=120,
  )


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
from test_checkpoint import make_state
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
state = lambda n: {"x": jnp.arange(500_000.0) + n, "step": jnp.int32(n)}
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
  here = pathlib.Path(__file__).parents[1]
  random, started = np.random.default_rng(0), []
  for _ in range(3):
    process = subprocess.Popen(
      [sys.executable, "-c", SAVER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=here
    )
    assert process.stdout is not None
    started.append(int(process.stdout.readline().split()[1]))
    newest = started[-1]
    while newest < started[-1] + 3:
      newest = int(process.stdout.readline().split()[1])
    time.sleep(random.uniform(0, 0.05))
    process.kill()
    process.wait()
    process.stdout.close()
  assert started[0] == 0
  # A save that was announced while the one before it was still under way: at most that one is lost.
  assert all(later >= earlier + 2 for earlier, later in itertools.pairwise(started))
  assert not list(tmp_path.glob("*.bad"))
