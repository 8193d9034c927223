"""What every test sees: eight simulated devices and a compilation cache that outlives the run; a
folder with a small run, for those that ask.

Set before jax starts. A single-device computation still runs on device 0 alone.

What the tests compile in their own process is compiled quickly, not well: with XLA's passes for
speed and its newer code generator a cold run takes three times as long. Commands that they start in
processes of their own, among them the certificates of resuming, compile as a user's do.
"""

import os
from importlib.metadata import version

# Subprocesses that the tests start inherit these.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")

import jax
import pytest
import small

from seqlab import runtime

runtime.tune_malloc()
runtime.configure()
flags = os.environ.get("XLA_FLAGS")
if flags is None and version("jaxlib").startswith("0.10."):  # one it does not know ends the process
  os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
jax.config.update("jax_disable_most_optimizations", True)
jax.devices()
if flags is None:
  os.environ.pop("XLA_FLAGS", None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Where the tests work now: small.py and the text that it reads."""
  (tmp_path / "small.py").write_text(small.CONFIG)
  small.write_words(tmp_path)
  monkeypatch.chdir(tmp_path)
  return tmp_path


def pytest_addoption(parser):
  parser.addoption("--golden", action="store_true", help="write tests/golden/ anew")
  parser.addoption("--kills", type=int, default=2, help="kill -9s of the resume certificate")
