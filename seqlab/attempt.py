"""`seqlab attempt`: trains one trial of a sweep, watched: the command that clusters run.

The training is a process of its own. Its watcher takes the trial, shows signs of life, hands on
SIGTERM, ends the training where another has taken the trial or where it has stood still, and writes
down what came of it. Any number of them may be started: one trains.

Exit codes: 0 done, now or before, or as far as its search lets it; 75 stopped, the same command
goes on; 76 another process has the trial; 77 diverged; 1 or 2 as the training failed.
"""

import contextlib
import ctypes
import functools
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from seqlab import metrics
from seqlab.errors import UserError, nearest
from seqlab.exits import DIVERGED, DONE, LOST, STOPPED
from seqlab.processes import ENDS
from seqlab.sweeps import files, hparams, trials
from seqlab.sweeps.attempts import BEAT, Attempt, claim
from seqlab.sweeps.trials import Trial

LOOK = 0.2  # seconds between looks at the training


def run(workdir: str, trial: str, stall: float, launch: str = "") -> int:
  """Trains a trial to its end, if nobody else does, and returns the exit code.

  stall: seconds without a number, a line or a checkpoint from it after which a training is killed,
    to be tried again; 0 for never. launch: what stands before the training's command, such as
    `srun`, which starts it as often as it has tasks.

  Raises:
    UserError: no such trial.
  """
  known = {one.id: one for one in trials.read(pathlib.Path(workdir))}
  if trial not in known:
    raise UserError(f"--trial={trial}: no trial of {workdir}{nearest(trial, known)}")
  one = known[trial]
  if result := one.result():
    return result["code"]
  if one.paused(until := one.until()):
    return DONE
  if one.cancelled():
    print(f"{trial}: the sweep is cancelled; `seqlab sweep resume` takes it up", file=sys.stderr)
    return STOPPED
  attempt = claim(one.folder, one.saved())
  if attempt is None:
    return LOST
  code, why = _trained(one, attempt, until, stall, shlex.split(launch))
  told = [(run.changes, *run.told()) for run in one.runs()]
  if code == DONE and (step := min(step for _, step, _ in told)) < one.steps():
    code, why = 1, f"ended after {step} of {one.steps()} steps"
  if code in (DONE, DIVERGED):
    runs = [dict(changes=dict(of), step=step, numbers=numbers) for of, step, numbers in told]
    result = dict(code=code, attempt=attempt.number, runs=runs)
    files.write_once(one.folder / "result.json", result)
  if code == STOPPED and one.paused(until):
    code = DONE
  attempt.finish(code, why)
  if one.result():
    with contextlib.suppress(OSError):  # the trial is at its end, whatever TensorBoard shows of it
      hparams.write([one], known.values())
  return code


def _trained(
  trial: Trial, attempt: Attempt, until: int, stall: float, launch: Sequence[str]
) -> tuple[int, str]:
  """(exit code, why) of the training up to a step."""
  command = [
    *launch,
    *(sys.executable, "-m", "seqlab.cli", "train"),
    *(f"--config={trial.config}", f"--workdir={trial.folder}"),
    *([f"--until={until}"] if until < trial.steps() else []),
  ]
  asked: list[int] = []
  stops = signal.SIGTERM, signal.SIGINT
  before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in stops}
  die = functools.partial(_die_with, os.getpid())
  try:
    with open(trial.folder / "log.txt", "ab") as log:
      began = log.tell()
      training = subprocess.Popen(
        command, stdout=log, stderr=log, start_new_session=True, preexec_fn=die
      )
      try:
        code, why = _watched(trial, attempt, training, asked, stall, began)
      finally:  # whatever ended the watching ends the training
        training.kill()
        training.wait()
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
  return code, why or ("" if code in (DONE, STOPPED) else _last_words(trial, began))


def _watched(
  trial: Trial,
  attempt: Attempt,
  training: subprocess.Popen,
  asked: list[int],
  stall: float,
  began: int,
) -> tuple[int, str]:
  """(exit code of the training, why, where it did not end by itself)."""
  beat = looked = time.monotonic()
  silent, told, stopping = 0.0, _told(trial), False
  while training.poll() is None:
    time.sleep(LOOK)
    now = time.monotonic()
    if not stopping and (asked or trial.cancelled()):
      stopping = True
      training.terminate()
    if not attempt.last():
      return LOST, "another process took it"
    if now > beat + BEAT:
      attempt.beat()
      beat = now
    if now > looked + 1:
      silent += min(now - looked, BEAT)  # not the time that this process itself stood still
      looked = now
      if (latest := _told(trial)) != told:
        silent, told = 0.0, latest
      elif 0 < stall < silent:
        return 1, f"stood still for {stall:.0f} s"
  if not attempt.last():
    return LOST, "another process took it"
  code = training.returncode
  if code == -signal.SIGTERM and (stopping or asked):  # it had not begun to listen
    return STOPPED, ""
  # A launcher says so that its tasks were told to stop; also that they were as one of them failed.
  if code == 128 + signal.SIGTERM and ENDS not in _said(trial, began):
    return STOPPED, ""
  return (code, "") if code >= 0 else (1, f"killed by signal {-code}")


def _die_with(parent: int) -> None:
  """Asks the kernel to kill this process when its parent ends: a training whose watcher was killed
  would go on beside the one that takes the trial next.
  """
  with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before the kernel was asked
      os._exit(1)


def _told(trial: Trial) -> tuple[int, ...]:
  """What grows while a training lives: its numbers, its words, its checkpoints."""
  paths = [trial.folder / "log.txt", *(run.folder / metrics.FILE for run in trial.runs())]
  return *(path.stat().st_size if path.exists() else 0 for path in paths), trial.saved()


def _said(trial: Trial, began: int) -> str:
  """What a training said after so many bytes of the log."""
  with open(trial.folder / "log.txt", "rb") as log:
    log.seek(began)
    return log.read().decode(errors="replace")


def _last_words(trial: Trial, began: int) -> str:
  """The last line of that; jax adds to a traceback what it left out of it."""
  said = _said(trial, began).partition("\n--------------------")[0]
  lines = [line for line in said.splitlines() if line.strip()]
  return lines[-1].removeprefix("seqlab: ") if lines else ""
