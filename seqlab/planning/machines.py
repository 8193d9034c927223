"""Devices by name: their memory, its bandwidth, their network, and topologies to compile for.

Numbers of a device are the makers' data sheets'; peak FLOP/s are in `seqlab.flops`.
"""

import dataclasses
import math
import os
import re
from typing import Any

import jax

from seqlab import flops, runtime
from seqlab.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Machine:
  """memory: bytes that a run may take, of a GPU nine tenths (`runtime.configure`). bandwidth: of
  it, bytes a second. network: bytes a second that a device sends to the others, over all its links.
  """

  kind: str
  memory: float
  bandwidth: float
  network: float

  @property
  def peak(self) -> float:
    """FLOP/s in bfloat16."""
    return flops.PEAKS[self.kind]


MACHINES = {
  "v5e": Machine("TPU v5e", 16e9, 819e9, 200e9),
  "v5p": Machine("TPU v5p", 95e9, 2765e9, 600e9),
  "v6e": Machine("TPU v6e", 32e9, 1640e9, 448e9),
  "a100": Machine("NVIDIA A100", 72e9, 2039e9, 300e9),
  "h100": Machine("NVIDIA H100", 72e9, 3350e9, 450e9),
  "h200": Machine("NVIDIA H200", 127e9, 4800e9, 450e9),
}
NODE = 8  # GPUs that a machine connects
FORMS = "v5e:16x16, v6e:8x8, v5p:4x4x8, or h100:8"


def find(topology: str) -> tuple[Machine, list[Any], str]:
  """(the machine, its devices to compile for, the platform whose forms of ops run on it).

  A TPU's are described by libtpu, which compiles for them without one; others are simulated by a
  CPU, whose compiler fuses in its own way. Call it before any device is used.

  Raises:
    UserError: no such machine or shape, or there is no libtpu.
  """
  name, _, shape = topology.partition(":")
  if name not in MACHINES or not re.fullmatch(r"\d+(x\d+)*", shape):
    hint = "" if name in MACHINES else nearest(name, MACHINES)
    raise UserError(
      f"--topology={topology}: MACHINE:SHAPE is wanted{hint}, such as {FORMS}; machines: "
      f"{', '.join(MACHINES)}"
    )
  machine = MACHINES[name]
  if not machine.kind.startswith("TPU"):
    count = math.prod(map(int, shape.split("x")))
    if count > NODE:
      raise UserError(
        f"--topology={topology}: at most {NODE} GPUs can be planned for, which one fast network "
        f"connects"
      )
    runtime.simulate_devices(count)
    return machine, jax.devices("cpu")[:count], "cpu"
  return machine, _described(topology), "tpu"


def _described(topology: str) -> list[Any]:
  from jax.experimental import topologies

  # Without these libtpu asks the network of a cloud what machine this is, and waits for an answer.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # no chip is taken
  os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
  os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-1")
  os.environ.setdefault("TPU_MIN_LOG_LEVEL", "3")
  os.environ.setdefault("TPU_STDERR_LOG_LEVEL", "3")
  try:
    return list(topologies.get_topology_desc(topology, "tpu").devices)
  except Exception as error:  # of jax, of libtpu: whatever they raise says why
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "not installed" in said:
      said = 'the compiler for TPUs is not here; pip install "jax[tpu]" brings it'
    raise UserError(f"--topology={topology}: {said}") from None
