"""Sums, the metrics file, TensorBoard, the clock, the progress line, the card."""

import io
import json
import math
import pathlib
import subprocess
import sys

import pytest
from rich.console import Console

from seqlab import card, metrics
from seqlab.errors import UserError
from seqlab.progress import Progress, line, scaled


def test_a_mean_is_taken_of_what_was_weighed():
  found = metrics.means({"loss": (6.0, 4.0), "nothing": (0.0, 0.0)})
  assert found["loss"] == 1.5 and math.isnan(found["nothing"])


def steps(workdir) -> list[int]:
  return [line["step"] for line in metrics.read(workdir)]


def test_numbers_come_back_exactly(tmp_path):
  numbers = {"loss": 0.1 + 0.2, "small": 5e-324, "valid/loss": 1 / 3}
  with metrics.Writer(tmp_path, tensorboard=False) as writer:
    writer.write(1, numbers)
    writer.write(2, {"loss": math.nan})
  first, second = metrics.read(tmp_path)
  assert {k: first[k] for k in numbers} == numbers and first["step"] == 1 and first["time"] > 1e9
  assert second["loss"] is None
  for text in (tmp_path / "metrics.jsonl").read_text().splitlines():
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_resumed_file_has_no_step_twice_and_none_missing(tmp_path):
  with metrics.Writer(tmp_path, tensorboard=False) as writer:
    for step in range(1, 8):
      writer.write(step, {"loss": step})
  with open(tmp_path / "metrics.jsonl", "a") as file:
    file.write('{"step": 8, "lo')  # a kill tore it
  assert steps(tmp_path) == list(range(1, 8))
  with metrics.Writer(tmp_path, start=5, tensorboard=False) as writer:
    assert steps(tmp_path) == [1, 2, 3, 4, 5]
    for step in (6, 7, 8):
      writer.write(step, {"loss": -step})
  assert steps(tmp_path) == list(range(1, 9))
  assert [line["loss"] for line in metrics.read(tmp_path)][-4:] == [5, -6, -7, -8]
  with metrics.Writer(tmp_path, tensorboard=False):
    pass
  assert steps(tmp_path) == []


def test_lines_are_on_disk_when_the_process_is_killed(tmp_path):
  code = f"""
import os, signal
from seqlab.metrics import Writer
writer = Writer({str(tmp_path)!r}, tensorboard=False)
writer.write(1, {{"loss": 2.0}})
os.kill(os.getpid(), signal.SIGKILL)
"""
  done = subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parents[1])
  assert done.returncode != 0
  assert steps(tmp_path) == [1]


def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot be written"):
    metrics.Writer(tmp_path / "file" / "run", tensorboard=False)


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_a_user_error(tmp_path):
  full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
  with (
    pytest.raises(UserError, match="No space left on device"),
    metrics.Writer(tmp_path, tensorboard=False) as writer,
  ):
    writer._file.close()
    writer._file = full
    writer.write(1, {"loss": 1.0})
  assert full.closed


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs a device that is full")
def test_events_that_cannot_be_written_do_not_hang_the_run(tmp_path, monkeypatch):
  monkeypatch.setattr("time.time", lambda: 1e9)
  monkeypatch.setattr("socket.gethostname", lambda: "host")
  (tmp_path / "tensorboard").mkdir()
  (tmp_path / "tensorboard/events.out.tfevents.1000000000.host.0").symlink_to("/dev/full")
  with (
    pytest.raises(UserError, match="No space left on device"),
    metrics.Writer(tmp_path) as writer,
  ):
    for step in range(10_000):  # more than any buffer holds
      writer.write(step, {"loss": 1.0})


def test_tensorboard_reads_a_resumed_run(tmp_path):
  accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
  with metrics.Writer(tmp_path) as writer:
    for step in (1, 2, 3):
      writer.write(step, {"loss": float(step), "valid/loss": 0.5})
  with metrics.Writer(tmp_path, start=2) as writer:
    writer.write(3, {"loss": -3.0})
    writer.write(4, {"loss": -4.0})
  events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
  events.Reload()
  assert set(events.Tags()["scalars"]) == {"loss", "valid/loss"}
  found = [(e.step, e.value) for e in events.Scalars("loss")]
  assert found == [(1, 1.0), (2, 2.0), (3, -3.0), (4, -4.0)]


def test_metrics_import_neither_jax_nor_tensorboard():
  code = "import sys, seqlab.metrics; print({'jax', 'tensorboardX'} & set(sys.modules))"
  cwd = pathlib.Path(__file__).parents[1]
  done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
  assert done.stdout.strip() == "set()", done.stderr


class Time:
  def __init__(self):
    self.now = 100.0

  def __call__(self) -> float:
    return self.now


def test_the_clock_leaves_out_compilation_and_pauses():
  time = Time()
  clock = metrics.Clock(steps=100, work={"tokens": 64}, flops=1e6, peak=1e7, now=time)
  assert clock.rates() == {}
  time.now += 60  # compiling
  clock.tick(1)
  assert clock.rates() == {}
  time.now += 5
  with clock.paused():
    time.now += 1000  # an evaluation
  time.now += 5
  clock.tick(21)
  rates = clock.rates()
  assert rates["steps_per_second"] == pytest.approx(2.0)
  assert rates["tokens_per_second"] == pytest.approx(128.0)
  assert rates["flops_per_second"] == pytest.approx(2e6)
  assert rates["mfu"] == pytest.approx(0.2)
  assert rates["eta_seconds"] == pytest.approx(79 / 2)


def test_the_clock_slides_and_needs_no_peak():
  time = Time()
  clock = metrics.Clock(steps=100, work={"tokens": 1}, flops=1, window=2, now=time)
  for step, seconds in ((1, 0), (2, 1), (3, 1), (4, 10), (5, 10)):
    time.now += seconds
    clock.tick(step)
  rates = clock.rates()
  assert rates["steps_per_second"] == pytest.approx(0.1)
  assert "mfu" not in rates


NUMBERS = {
  "loss": 2.10341,
  "tokens_per_second": 12345.0,
  "flops_per_second": 3.21e12,
  "mfu": 0.415,
  "eta_seconds": 3723.4,
}


def test_the_line_shows_what_is_known():
  said = line(200, 2000, NUMBERS, {"loss": 2.2})
  assert said == (
    "step 200/2000  loss 2.1034  valid 2.2000  12.3k tokens/s  3.21 TFLOP/s  MFU 41.5%  ETA 1:02:03"
  )
  assert line(1, 2, {}, {}) == "step 1/2"


def test_scaled():
  values = (0.5, 999.6, 1000, 12345, 999_999, 7.89e11, 1e16)
  assert ["".join(scaled(v)) for v in values] == ["0.5", "1k", "1k", "12.3k", "1M", "789G", "10P"]


def test_progress_prints_plain_lines_where_nobody_watches():
  console = Console(file=io.StringIO(), width=40)
  with Progress(2000, console=console) as progress:
    progress.update(100, NUMBERS)
    progress.evaluated(100, {"loss": 1.5, "perplexity": 4.4817})
    progress.update(200, NUMBERS)
  lines = console.file.getvalue().splitlines()
  assert len(lines) == 3, "a line is not wrapped"
  assert lines[1] == "step 100/2000  valid: loss 1.5000  perplexity 4.4817"
  assert lines[2].startswith("step 200/2000  loss 2.1034  valid 1.5000") and "\x1b" not in lines[2]


def test_progress_draws_one_live_line_on_a_terminal():
  console = Console(file=io.StringIO(), width=150, force_terminal=True)
  with Progress(2000, start=50, console=console) as progress:
    progress.update(100, NUMBERS)
    progress.evaluated(100, {"loss": 1.5})
    progress.update(2000, NUMBERS)
  said = console.file.getvalue()
  assert "step 2000/2000  loss 2.1034  valid 1.5000" in said
  assert said.count("\n") <= 2


def test_card(tmp_path):
  path = card.write(
    tmp_path / "",
    {
      "Config": {"model": {"mixer": "lstm() | attention()", "width": 128}, "init": None},
      "Parameters": 1234567,
      "Command": "seqlab train --config=a.py",
      "Corpus": ["汉字", 0.123456789],
      "Nothing": None,
    },
  )
  text = path.read_text(encoding="utf-8")
  assert text.startswith(f"# {tmp_path.name}\n")
  assert "| model.mixer | lstm() \\| attention() |" in text
  assert "## Parameters\n\n1,234,567\n" in text
  assert "- 汉字\n- 0.123457" in text
  assert "None" not in text and "Nothing" not in text
  assert [p.name for p in tmp_path.iterdir()] == ["card.md"]
