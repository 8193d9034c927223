"""What a checkpoint meets: torn files, flipped bits, full disks, configs of other shapes."""

import json
import logging
import pathlib
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from states import assert_same, make_state, save_steps

from seqlab import stored
from seqlab.checkpoint import Checkpoints, read, steps
from seqlab.errors import UserError

# Orbax leaves tasks behind where a read fails, and Python tells of them later, in another test.
pytestmark = [
  pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
  pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
]


def damage(step: pathlib.Path) -> None:
  """Truncates the largest file of a step to half."""
  largest = max((p for p in step.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
  with open(largest, "r+b") as file:
    file.truncate(largest.stat().st_size // 2)


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
        got, _ = read(work / "2", make_state(0))
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
    read(tmp_path / "2", make_state(0))
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore(make_state(0))[1] == 1


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
