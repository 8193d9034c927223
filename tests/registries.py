"""Registries as they were before a test that loads a plugin."""

import pytest

from seqlab import build, networks, plugins
from seqlab.data.array_sources import ARRAY_SOURCES
from seqlab.objectives import OBJECTIVES
from seqlab.optim import OPTIMIZERS


@pytest.fixture
def registries(monkeypatch):
  """What a plugin registers while the test runs is gone after it, and the file unknown again."""
  monkeypatch.setattr(plugins, "_loaded", set())
  held = (networks.NETWORKS, networks.OF_ARRAYS, networks.READS, build.NETWORKS)
  held += (ARRAY_SOURCES, OBJECTIVES, OPTIMIZERS)
  before = [dict(one) for one in held]
  yield
  for one, was in zip(held, before, strict=True):
    one.clear()
    one.update(was)
