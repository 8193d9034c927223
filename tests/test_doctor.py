"""`seqlab doctor`: what it finds here, and what it says of a machine on which something fails."""

import os
import pathlib

import pytest
from commands import here, seqlab

from seqlab import doctor
from seqlab.diagnosis import Failed, devices, file_system


def test_a_machine_that_trains_is_well(tmp_path):
  said = seqlab("doctor", f"--workdir={tmp_path / 'runs'}", devices=2)
  assert "FAILS" not in said and "over 2 devices" in said and "ms each" in said
  for name in (*file_system.CHECKS, *devices.CHECKS, "run"):
    assert f"\n{name:<12}ok" in said
  assert not list((tmp_path / "runs").iterdir()), "it leaves nothing"


def test_what_fails_is_told_and_the_rest_is_tried(tmp_path, monkeypatch):
  monkeypatch.setattr(doctor, "small_run", lambda folder: "ran")
  monkeypatch.setattr(os, "link", _refuse)
  said = here("doctor", f"--workdir={tmp_path}", code=1)
  assert "linking     FAILS  no hard links (Operation not permitted)" in said
  assert "ran" in said and said.count("FAILS") == 1


def _refuse(*_):
  raise OSError(1, "Operation not permitted")


@pytest.mark.parametrize(
  "check, break_it",
  {
    file_system.writing: lambda patch: patch.setattr(pathlib.Path, "read_bytes", lambda _: b"x"),
    file_system.renaming: lambda patch: patch.setattr(os, "replace", _copy),
    file_system.linking: lambda patch: patch.setattr(os, "link", lambda *_: None),
    file_system.locking: lambda patch: patch.setattr("fcntl.flock", lambda *_: None),
    file_system.clock: lambda patch: patch.setattr("time.time", lambda: 0.0),
  }.items(),
  ids=lambda of: getattr(of, "__name__", ""),
)
def test_each_check_of_a_file_system_can_fail(check, break_it, tmp_path, monkeypatch):
  assert check(tmp_path)
  for path in tmp_path.iterdir():
    path.unlink()
  break_it(monkeypatch)
  with pytest.raises(Failed):
    check(tmp_path)


def _copy(source, target):
  """As a file system without an atomic rename does: the new bytes come one after another."""
  data = pathlib.Path(source).read_bytes()
  with open(target, "wb", buffering=0) as file:
    for start in range(0, len(data), 64):
      file.write(data[start : start + 64])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
  (tmp_path / "file").write_text("")
  said = here("doctor", f"--workdir={tmp_path / 'file'}", code=2)
  assert "cannot be written" in said and said.count("\n") == 1
