"""Checkpoints: exact, in the background, retained by rule, on any mesh.

"Trap N" are behaviours of Orbax 0.12 that a plain use of it runs into; each has a test, here or in
test_checkpoint_damage.py.
"""

import threading

import jax
import jax.numpy as jnp
import numpy as np
from states import assert_same, lay, make_state, save_steps

from seqlab import stored
from seqlab.checkpoint import Checkpoints, kept, read, steps


def abstract(state):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)


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


def test_metrics_that_are_not_finite_are_not_written(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, make_state(1), {"loss": float("nan"), "accuracy": 0.5})
  assert stored.read_body(tmp_path / "1")["metrics"] == {"accuracy": 0.5}


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
      got, metadata = read(tmp_path / str(n), {**state, "host": host})
      assert metadata == {}
      assert got["x"][0] == n and int(got["step"]) == n and got["host"][0] == n


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


def test_kept_is_newest_and_best():
  loss = {0: float("nan"), 1: 5.0, 2: 1.0, 3: float("nan"), 4: 3.0, 5: float("inf"), 6: 4.0}
  metrics = {step: {"loss": value} for step, value in loss.items()} | {7: {}, 8: {}}
  assert kept(metrics, 2, 1, "loss") == {7, 8, 2}  # traps 2, 3, 4
  assert kept(metrics, 1, 2, "loss") == {8, 2, 4}
  assert kept(metrics, 1, 1, None) == {8}
  assert kept(metrics, 1, 1, "accuracy") == {8}
  accuracy = {1: {"accuracy": 0.2}, 2: {"accuracy": 0.7}, 3: {"accuracy": float("nan")}}
  assert kept(accuracy, 1, 1, "accuracy") == {3, 2}, "of an accuracy the greatest is best"
  assert kept({}, 2, 1, "loss") == set()


def test_retention_on_disk_and_over_a_restart(tmp_path):
  """Traps 2 to 6: NaN is not best, jax scalars are numbers, no metrics is not for ever."""
  with Checkpoints(tmp_path) as checkpoints:
    for step, loss in ((1, jnp.float32(2.0)), (2, jnp.float32(jnp.nan)), (3, 9.0), (4, 9.0)):
      checkpoints.save(step, make_state(step), {"loss": loss})
  assert steps(tmp_path) == [1, 3, 4]
  assert stored.read_body(tmp_path / "4")["metrics"] == {"loss": 9.0}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(5, make_state(5))
    checkpoints.save(6, make_state(6), {"loss": 1.0})
    checkpoints.save(7, make_state(7))
    checkpoints.save(8, make_state(8))
  assert steps(tmp_path) == [6, 7, 8]
  assert {p.name for p in tmp_path.iterdir()} == {"6", "7", "8"}


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
