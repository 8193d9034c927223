"""Presets are networks that can be made, of the published sizes."""

import importlib.util
import math
import pathlib

import jax
import pytest

from seqlab import build, networks
from seqlab.config import load
from seqlab.sizing import inputs_of

FILE = pathlib.Path(__file__).parents[1] / "experiments/presets.py"
SIZES = dict(  # parameters, and how far from them
  llama3=(1_235_814_400, 0),
  llama2_7b=(6_738_415_616, 0),
  mamba2=(128_989_632, 0),
  griffin=(2.7e9, 0.1),
  rwkv7=(0.19e9, 0.15),
  xlstm=(0.2e9, 0.25),
  qwen3_next=(80e9, 0.05),
)


def test_every_preset_has_a_size():
  spec = importlib.util.spec_from_file_location("presets", FILE)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  assert tuple(SIZES) == module.ARGUMENTS


@pytest.mark.parametrize("name", SIZES)
def test_a_preset_has_the_published_size(name):
  config = load(f"{FILE}:{name}")
  build.check(config)
  network = networks.make_network(config, networks.Ends(8192))
  params = jax.eval_shape(network.init, jax.random.key(0), *inputs_of(config, 8))
  size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
  wanted, off = SIZES[name]
  assert abs(size / wanted - 1) <= off, f"{size:,}"
