"""Trials as jobs of Slurm: an array for what waits, `seqlab attempt` in each of its tasks.

Slurm schedules; what is true of a trial stands in its files. Whoever looks submits again what
neither waits nor runs in Slurm and is not at its end, so a controller that was killed loses
nothing, and two of them at worst queue a job that finds its trial taken. A batch of trials is
written down before it is submitted, and the comment of its jobs names it.
"""

import contextlib
import getpass
import hashlib
import pathlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from seqlab.errors import UserError
from seqlab.exits import STOPPED
from seqlab.sweeps import files, trials
from seqlab.sweeps.attempts import attempts
from seqlab.sweeps.states import Left, Progress
from seqlab.sweeps.trials import Trial

LOOK = 5.0  # seconds between questions to Slurm
MOST = 500  # trials in an array: clusters take 1,001 where nobody has said otherwise
OURS = ("--array", "-a", "--comment", "--output", "-o")
BROKEN = 3  # jobs of a trial that end before they have taken it, after which none is submitted
HELD = "launch failed"  # is said of a job that Slurm could not start and will not try again

# srun hands SIGTERM on to the training, which saves and ends with 75. Slurm sends it before it
# takes a job's nodes, and requeues the job if that is still there at the end of its grace; before
# the end of its time, and by scancel, after which the job is gone. So the script waits to be ended.
SCRIPT = """#!/bin/bash
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=TERM@120
cd {cwd} || exit 1
export SRUN_CPUS_PER_TASK=${{SLURM_CPUS_PER_TASK:-1}}  # srun does not take it from the job
trials=({ids})
{python} -m seqlab.cli attempt --workdir={root} --trial=${{trials[SLURM_ARRAY_TASK_ID]}} \\
  --stall={stall} --launch='srun --kill-on-bad-exit=1 --mpi=none'
code=$?
while [ $code = {stopped} ] && ! [ -e {marker} ]; do sleep 1; done
exit $code
"""


class Slurm:
  """Runs `seqlab attempt` in Slurm for what is left of a sweep."""

  def __init__(
    self,
    root: pathlib.Path,
    left: Left,
    options: str,
    stall: float,
    ended: Callable[[Trial], None],
  ):
    """options: of sbatch, such as --partition=gpu. left, stall: as of `pool.Pool`. ended: called
    with each trial that is left no more.

    Raises:
      UserError: there is no Slurm here, or an option is ours to give.
    """
    if shutil.which("sbatch") is None:
      raise UserError("--launcher=slurm: there is no sbatch here; --launcher=local needs none")
    try:
      self._options = shlex.split(options)
    except ValueError as error:
      raise UserError(f"--slurm={options}: {error}") from None
    if taken := [one for one in self._options if one.startswith(OURS)]:
      raise UserError(f"--slurm={options}: {taken[0]} is what seqlab itself says to sbatch")
    self._look, self._stall, self._ended = left, stall, ended
    self._root = root.absolute()
    self._lost: dict[str, tuple[int, int]] = {}  # of each trial: jobs without, attempts before

  def run(self, stopping: Callable[[], bool]) -> bool:
    """Returns when no trial is left. Once `stopping` it returns True, and the jobs go on.

    Raises:
      UserError: sbatch refuses, or jobs end before they take a trial.
    """
    before: dict[Trial, Progress] = {}
    while True:
      live = queued(self._root)
      left = self._look()
      for trial in before.keys() - left.keys():
        self._ended(trial)
      if not left or stopping():
        return bool(left)
      before = left
      waiting = [trial for trial, now in left.items() if now.state == "waiting"]
      if live is not None:
        held = [trial for trial in waiting if HELD in live.get(trial.id, "")]
        if held:
          _take_back_held(self._root)
        if new := held + [trial for trial in waiting if trial.id not in live]:
          self._submit(new)
      time.sleep(LOOK)

  def _submit(self, new: Sequence[Trial]) -> None:
    anew = not self._lost
    for trial in new:
      jobs, before = self._lost.get(trial.id, (0, -1))
      now = len(attempts(trial.folder))
      self._lost[trial.id] = (jobs + 1 if now == before else 1), now
      if self._lost[trial.id][0] > BROKEN:
        raise UserError(
          f"--workdir={self._root}: jobs of {trial.id} end before they begin; what they said "
          f"stands in {self._root}/slurm"
        )
    for batch in (new[at : at + MOST] for at in range(0, len(new), MOST)):
      try:
        submit(self._root, batch, self._options, self._stall)
      except UserError as error:
        if anew:  # what was submitted before goes on, and Slurm may be back soon
          raise
        print(error, file=sys.stderr)


def submit(root: pathlib.Path, new: Sequence[Trial], options: Sequence[str], stall: float) -> None:
  """Submits a job for each trial.

  Raises:
    UserError: sbatch refuses.
  """
  folder = root / "slurm"
  number = len(list(folder.glob("*.json")))
  while not files.write_once(folder / f"{number:04}.json", [trial.id for trial in new]):
    number += 1  # another controller has this one
  script = folder / f"{number:04}.sh"
  script.write_text(SCRIPT.format(
    cwd=shlex.quote(trials.about(root)["cwd"]), ids=" ".join(trial.id for trial in new),
    python=shlex.quote(sys.executable), root=shlex.quote(str(root)), stall=stall, stopped=STOPPED,
    marker=shlex.quote(str(root / trials.CANCELLED)),
  ))  # fmt: skip
  told = (
    f"--array=0-{len(new) - 1}",
    f"--comment={_mark(root)}.{number}",
    f"--output={str(folder).replace('%', '%%')}/%A_%a.log",
  )
  done = subprocess.run(["sbatch", *options, *told, str(script)], capture_output=True, text=True)
  if done.returncode:
    raise UserError(f"--slurm={shlex.join(options)}: {done.stderr.strip()}")
  print(f"{done.stdout.strip()}: {len(new)} trials", flush=True)


def queued(root: pathlib.Path) -> dict[str, str] | None:
  """What Slurm says of each trial that it has, such as PENDING (Priority); None where it says
  nothing: no answer is not that there are none.
  """
  folder = root.absolute() / "slurm"
  if not folder.is_dir():
    return {}
  try:
    jobs = _jobs(root)
  except (OSError, subprocess.SubprocessError):
    return None
  found: dict[str, str] = {}
  for (batch, index, _), said in jobs.items():
    ids = files.read(folder / f"{int(batch):04}.json")
    found[ids[int(index)]] = said
  return found


def cancel(root: pathlib.Path) -> None:
  """Takes back the jobs of a sweep that have not begun; what runs sees that it is cancelled."""
  if (root / "slurm").is_dir() and shutil.which("scancel"):
    with contextlib.suppress(OSError, subprocess.SubprocessError):  # they end as they begin
      _scancel({job for _, _, job in _jobs(root)})


def _take_back_held(root: pathlib.Path) -> None:
  """Takes back the jobs that Slurm holds as it could not start them."""
  with contextlib.suppress(OSError, subprocess.SubprocessError):
    _scancel({f"{job}_{index}" for (_, index, job), said in _jobs(root).items() if HELD in said})


def _scancel(jobs: Iterable[str]) -> None:
  for job in sorted(jobs):
    subprocess.run(["scancel", "--state=PENDING", job], capture_output=True)


def _jobs(root: pathlib.Path) -> Mapping[tuple[str, str, str], str]:
  """Of each task (batch, index, job) its state and why."""
  command = ["squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%k|%K|%F|%T|%r"]
  done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
  found = {}
  for line in done.stdout.splitlines():
    comment, index, job, state, why = line.split("|", 4)
    mark, _, batch = comment.rpartition(".")
    if mark == _mark(root):
      said = state if why in ("None", "(null)") else f"{state} ({why})"
      found[batch, index, job] = said
  return found


def _mark(root: pathlib.Path) -> str:
  """What tells the jobs of a sweep from others."""
  return "seqlab-" + hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:10]
