"""Several processes train one run: as one would, stopped together, and gone on with by others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import small

from seqlab import processes
from seqlab.errors import UserError

CONFIG = small.CONFIG.replace("batch=4", "batch=8, inner_steps=2").replace("every=3)", "every=4)")


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "small.py").write_text(CONFIG)
  small.write_words(tmp_path)
  return tmp_path


def started(folder, count, *flags, workdir="run"):
  """So many processes that train one run."""
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{probe.getsockname()[1]}"
  command = [sys.executable, "-m", "seqlab.cli", "train", "--config=small.py"]
  found = []
  for number in range(count):
    told = zip(processes.EXPLICIT, (address, str(count), str(number)), strict=True)
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1", **(dict(told) if count > 1 else {})}
    found.append(subprocess.Popen(
      [*command, f"--workdir={workdir}", *flags], cwd=folder, env=environment,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ))  # fmt: skip
  return found


def ended(running, code=0):
  """What each says on stdout and on stderr."""
  said = [one.communicate(timeout=280) for one in running]
  assert [one.returncode for one in running] == [code] * len(running), said
  return said


def losses(folder, workdir="run"):
  lines = map(json.loads, (folder / workdir / "metrics.jsonl").read_text().splitlines())
  return {
    (line["step"], name): line[name]
    for line in lines
    for name in ("loss", "grad_norm", "valid/loss")
    if name in line
  }


def same(found, wanted):
  assert found.keys() == wanted.keys()
  for at, value in wanted.items():
    assert found[at] == pytest.approx(value, rel=1e-5), at


def test_two_processes_train_what_one_would(folder):
  (speaks, _), (silent, _) = ended(started(folder, 2))
  assert "data=2" in speaks and "done: run" in speaks
  assert "step" not in silent and "done" not in silent, "one speaks for all"
  ended(started(folder, 1, workdir="alone"))
  same(losses(folder), losses(folder, "alone"))
  card = (folder / "run/card.md").read_text()
  assert "processes" in card


@pytest.mark.slow
def test_a_signal_to_one_stops_all_and_others_go_on(folder):
  ended(started(folder, 1, "--config.steps=400", workdir="alone"))
  wanted = losses(folder, "alone")
  running = started(folder, 2, "--config.steps=400")
  checkpoints = folder / "run/checkpoints"
  until(lambda: (checkpoints / "8").exists())
  running[1].send_signal(signal.SIGTERM)
  said = ended(running, code=75)
  assert said[0][1].count("stopped, saved at step") == 1
  at = max(int(path.name) for path in checkpoints.glob("[0-9]*") if path.name.isdecimal())
  assert at < 400
  # killed without a word, gone on with by four, by one
  running = started(folder, 4, "--config.steps=400")
  until(lambda: latest(checkpoints) > at)
  for one in running:
    one.kill()
    one.communicate()
  ended(started(folder, 1, "--config.steps=400"))
  same(losses(folder), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_what_is_lost_or_hangs_ends_the_run(folder, how):
  running = started(folder, 2, "--config.steps=100000")
  until(lambda: (folder / "run/checkpoints/8").exists())
  running[1].send_signal(how)
  began = time.monotonic()
  try:
    _, said = running[0].communicate(timeout=processes.HEARTBEAT + 60)
  finally:
    running[1].kill()
    running[1].communicate()
  assert time.monotonic() - began < processes.HEARTBEAT + 30
  assert running[0].returncode not in (0, 75) and said


def latest(checkpoints):
  return max(int(path.name) for path in checkpoints.glob("[0-9]*") if path.name.isdecimal())


def until(holds, seconds=240):
  end = time.monotonic() + seconds
  while not holds():
    assert time.monotonic() < end, "it never came"
    time.sleep(0.05)


def test_the_environment_says_who_a_process_is(tmp_path, monkeypatch):
  of = processes.of_environment
  assert of({}) is None and of({"SLURM_STEP_NUM_TASKS": "1"}) is None
  assert of({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}) is None, "sbatch alone starts one"
  explicit = dict(zip(processes.EXPLICIT, ("a:1", "2", "1"), strict=True))
  assert of(explicit) == dict(coordinator_address="a:1", num_processes=2, process_id=1)
  assert of({"SLURM_STEP_NUM_TASKS": "2"}) == {} == of({"OMPI_COMM_WORLD_SIZE": "2"})
  node = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_GPUS_ON_NODE": "4"}
  assert of({**node, "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}) == {"local_device_ids": [0, 1, 2, 3]}
  assert of({**node, "SLURM_STEP_TASKS_PER_NODE": "2"}) == {}
  assert of({"TPU_WORKER_HOSTNAMES": "a,b"}) == {} and of({"TPU_WORKER_HOSTNAMES": "a"}) is None
  (tmp_path / "0").touch()
  monkeypatch.setattr(processes, "TPUS", ("/dev/none*", f"{tmp_path}/[0-9]*"))
  assert of({}) == {}, "Google tells the hosts of a slice"
  with pytest.raises(UserError, match="JAX_COORDINATOR_ADDRESS is not"):
    of({"JAX_NUM_PROCESSES": "2"})
