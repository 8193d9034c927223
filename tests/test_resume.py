"""The resume certificate: kill -9 at random moments, damage the newest checkpoint, and end with the
same bits.

`pytest tests/test_resume.py --kills 20` tries harder than CI does.
"""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from seqlab import checkpoint, goodput, leaves, stored

STEPS = 60


def command(tmp_path, name, *overrides):
  text = tmp_path / "text.txt"
  if not text.exists():
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 6))) for _ in range(60)]
    text.write_text("\n".join(" ".join(draw.choices(words, k=9)) for _ in range(400)))
  return [
    sys.executable, "-m", "seqlab.cli", "train", f"--workdir={tmp_path / name}",
    f"--config.data.source=text(path='{text}', documents='line')",
    f"--config.data.store={tmp_path / 'data'}",
    f"--config.steps={STEPS}", "--config.batch=4", "--config.length=16", "--config.model.width=16",
    "--config.model.depth=2", "--config.model.mixer=lstm() | attention(heads=2)",
    "--config.model.dropout=0.1", "--config.ema=0.9", "--config.log.every=1",
    "--config.log.tensorboard=False", "--config.evaluate.every=20", "--config.evaluate.batches=2",
    "--config.checkpoint.every=4", *overrides,
  ]  # fmt: skip


def start(argv, devices=1):
  environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices)}
  return subprocess.Popen(
    argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )


def finish(argv, devices=1):
  process = start(argv, devices)
  out, err = process.communicate()
  assert process.returncode == 0, err
  return out, err


def stop_after(step, argv, folder, devices=1):
  """Sends SIGTERM once a checkpoint of `step` or later is there, and returns what was said."""
  process = start(argv, devices)
  while newest(folder) < step:
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)
  process.send_signal(signal.SIGTERM)
  _, err = process.communicate()
  assert process.returncode == 75, err
  return err


def newest(folder: pathlib.Path) -> int:
  return max(checkpoint.steps(folder), default=0)


def bits(workdir, step=None) -> dict[str, np.ndarray]:
  """Every leaf of a checkpoint, the newest: parameters, optimizer, average."""
  folder = workdir / "checkpoints"
  path = folder / str(step or newest(folder))
  body, where = stored.read_body(path), jax.sharding.SingleDeviceSharding(jax.devices()[0])
  wanted = {
    name: jax.ShapeDtypeStruct(leaves.shape_of(look), look.split("[")[0], sharding=where)
    for name, look in body["leaves"].items()
  }
  return {name: np.asarray(leaf) for name, leaf in stored.load(path, body, wanted).items()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
  folder = tmp_path_factory.mktemp("resume")
  finish(command(folder, "whole"))
  return folder


def test_kill_9_at_random_moments_and_a_damaged_checkpoint_change_no_bit(uninterrupted, request):
  kills, draw = request.config.getoption("--kills"), random.Random(os.urandom(8))
  workdir = uninterrupted / f"killed{kills}"
  argv, folder = command(uninterrupted, workdir.name), workdir / "checkpoints"
  damaged, began = False, time.time()
  for _ in range(kills):
    process = start(argv)
    aim = newest(folder) + draw.randint(1, max(STEPS // kills - 4, 1))
    while process.poll() is None and newest(folder) < aim:
      time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.3))  # into a step, a write or a rename
    process.send_signal(signal.SIGKILL)
    process.communicate()
    steps = checkpoint.steps(folder)
    if len(steps) > 1 and not damaged:
      largest = max(
        (folder / str(steps[-1])).rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0
      )
      os.truncate(largest, largest.stat().st_size // 2)
      damaged = True
  _, err = finish(argv)
  assert damaged, "no checkpoint was there to damage"
  assert list(folder.glob("*.bad*")), err
  spent, wall = goodput.summary(workdir), time.time() - began
  assert spent["attempts"] == kills + 1 and spent["lost"]["again"] > 0 < spent["lost"]["down"]
  assert 0 < spent["productive"] < spent["wall"] < wall
  whole, killed = bits(uninterrupted / "whole"), bits(workdir)
  assert whole.keys() == killed.keys()
  for path in whole:
    assert np.array_equal(whole[path], killed[path]), path


def test_sigterm_saves_and_the_same_command_goes_on_with_other_inner_steps(uninterrupted):
  argv = command(uninterrupted, "stopped")
  err = stop_after(8, argv, uninterrupted / "stopped" / "checkpoints")
  assert "the same command goes on" in err
  finish([*argv, "--config.inner_steps=3"])
  whole, stopped = bits(uninterrupted / "whole"), bits(uninterrupted / "stopped")
  for path in whole:
    assert np.array_equal(whole[path], stopped[path]), path


def test_a_run_moves_from_8_devices_to_4_to_1(uninterrupted):
  argv = command(uninterrupted, "moved")
  folder = uninterrupted / "moved" / "checkpoints"
  eight = ["--config.mesh.data=2", "--config.mesh.fsdp=2", "--config.mesh.tensor=2"]
  stop_after(8, [*argv, *eight], folder, devices=8)
  stop_after(newest(folder) + 8, [*argv, "--config.mesh.fsdp=2"], folder, devices=4)
  finish(argv)
  whole, moved = bits(uninterrupted / "whole"), bits(uninterrupted / "moved")
  for path in whole:
    np.testing.assert_allclose(moved[path], whole[path], rtol=0, atol=2e-4, err_msg=path)
