"""Several processes that train one run: who they are, when they stop, how they end.

Slurm, Open MPI, Kubernetes and TPU pods say what a process is one of, and jax understands them;
elsewhere JAX_COORDINATOR_ADDRESS (HOST:PORT of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID do.
Where nothing says so, a process is alone.
"""

import contextlib
import glob
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seqlab.errors import UserError
from seqlab.signals import signals

HEARTBEAT = 60  # seconds of silence after which a process is given up, and the others end
GATHERING = 900  # seconds that processes wait for each other at the beginning
ENDS = "ends, and with it the run"  # is said of a process that fails
TPUS = "/dev/accel*", "/dev/vfio/[0-9]*"  # their devices: of v4 and before, of newer ones
EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def first() -> bool:
  """Whether this is the process that writes and speaks."""
  import jax

  return jax.process_index() == 0


def tell(line: str) -> None:
  """Says something on stderr, once for all processes."""
  if first():
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def joined() -> Iterator[None]:
  """Takes part in the run of several processes, where this is one of them; the first one alone
  says something. What ends one of them with an error ends it at once: the others would wait for it.

  Raises:
    UserError: the environment says half of what is wanted.
  """
  import jax

  if (arguments := of_environment(os.environ)) is None:
    yield
    return
  try:
    jax.distributed.initialize(
      **arguments, heartbeat_timeout_seconds=HEARTBEAT, initialization_timeout=GATHERING
    )
  except (RuntimeError, ValueError) as error:
    raise UserError(f"the processes of this run do not come together: {error}") from None
  try:
    with contextlib.ExitStack() as stack:
      if not first():
        nowhere = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
      yield
  except BaseException as error:
    code = 1
    if isinstance(error, UserError):
      code = 2
      print(f"seqlab: {' '.join(str(error).splitlines())}", file=sys.stderr)
    elif isinstance(error, KeyboardInterrupt):
      code = 130
    else:
      traceback.print_exc()
    who = f"process {jax.process_index()} of {jax.process_count()}"
    print(f"seqlab: {who} {ENDS}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def of_environment(environment: Mapping[str, str]) -> dict[str, Any] | None:
  """What `jax.distributed.initialize` is to be told; None where a process is alone.

  Raises:
    UserError: one of the variables of `EXPLICIT` is missing, or no number.
  """
  given = [name for name in EXPLICIT if environment.get(name)]
  if "JAX_NUM_PROCESSES" in given or "JAX_PROCESS_ID" in given:
    if missing := [name for name in EXPLICIT if name not in given]:
      raise UserError(
        f"{given[0]} is set and {missing[0]} is not: {', '.join(EXPLICIT)} go together"
      )
    address, *numbers = (environment[name] for name in EXPLICIT)
    if not all(number.isdecimal() for number in numbers):
      raise UserError(f"JAX_NUM_PROCESSES and JAX_PROCESS_ID are numbers, not {numbers}")
    count, number = map(int, numbers)
    return dict(coordinator_address=address, num_processes=count, process_id=number)
  tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")
  if int(tasks) > 1:  # srun's; a job of sbatch alone has no steps
    gpus = int(environment.get("SLURM_GPUS_ON_NODE", "0"))
    alone = environment.get("SLURM_STEP_TASKS_PER_NODE", "").split("(")[0] == "1"
    # jax would give a task the one GPU of its number on the node, also where it is alone there
    return dict(local_device_ids=list(range(gpus))) if gpus > 1 and alone else {}
  hosts = environment.get("TPU_WORKER_HOSTNAMES", "")
  if (
    int(environment.get("OMPI_COMM_WORLD_SIZE", "1")) > 1
    or "," in hosts
    or (not hosts and any(map(glob.glob, TPUS)))  # a TPU whose host asks Google
    or ("KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment)
  ):
    return {}
  return None


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
  """Yields a function that says, asked once a dispatch, whether the run is to save and stop: on
  SIGTERM or SIGINT to a process that is alone; on SIGTERM to any of several, to all at the same
  dispatch.
  """
  import jax

  if jax.process_count() == 1:
    with signals() as asked:
      yield asked
    return
  from jax.experimental import multihost_utils

  # jax listens for SIGTERM itself, and a handler of ours would keep it from hearing. It stops at
  # the question after the last that any process asked: they are numbered, none left out.
  numbers = itertools.count(1)
  yield lambda: multihost_utils.reached_preemption_sync_point(next(numbers))
