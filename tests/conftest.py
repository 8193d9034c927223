"""What every test sees: eight simulated devices and a compilation cache that outlives the run.

Set before jax starts. A single-device computation still runs on device 0 alone.
"""

import os

# Subprocesses that the tests start inherit these.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")

from seqlab import runtime

runtime.tune_malloc()
runtime.configure()


def pytest_addoption(parser):
  parser.addoption("--kills", type=int, default=2, help="kill -9s of the resume certificate")
