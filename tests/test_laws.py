"""Every law holds for every member, and each law catches a mixer that breaks it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from members import EVERY, SPECS, mixer

from seqlab import laws
from seqlab.nn.layers import weight
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.spec import parse_one

SHARDED = [f"{name}()" for name in MIXERS]


@pytest.mark.parametrize("spec", EVERY)
@pytest.mark.parametrize("law", [law for law in laws.LAWS if law != "sharding"])
def test_law_holds(spec, law):
  laws.LAWS[law](mixer(spec))


@pytest.mark.parametrize("spec", SHARDED)
def test_losses_are_the_same_on_a_mesh(spec):
  laws.sharding(mixer(spec))


@pytest.mark.parametrize(
  "sizes", [dict(fsdp=8), dict(tensor=4, data=2), dict(sequence=2, data=4)], ids=str
)
def test_losses_are_the_same_on_other_meshes(sizes):
  laws.sharding(mixer("attention(heads=4)"), sizes)


def test_every_registered_mixer_is_a_member():
  assert {parse_one(spec).name for spec in SPECS} == set(MIXERS)


class Mean(Mixer):
  """A running mean of the document, to be broken in one way each."""

  broken: str = ""

  @nn.compact
  def __call__(self, x_BTD, pos_BT, state=None):
    width = x_BTD.shape[-1]
    w_DF = weight(self, "w_D" if self.broken == "names" else "w_DF", (width, width), std=0.1)
    x_BTD = x_BTD @ w_DF.astype(jnp.float32 if self.broken == "bfloat16" else x_BTD.dtype)
    if self.broken == "learning":
      x_BTD = jax.lax.stop_gradient(x_BTD) + 0 * x_BTD
    if self.broken == "causality":
      x_BTD = x_BTD + jnp.roll(x_BTD, -1, axis=1)
    reset_BT = jnp.zeros_like(pos_BT) if self.broken == "packing" else pos_BT == 0
    start = state or self.init_state(x_BTD.shape[0], width, 0)

    def step(h_BF, now):
      x_BD, reset_B = now
      h_BF = 0.5 * jnp.where(reset_B[:, None], 0, h_BF) + x_BD.astype(jnp.float32)
      return h_BF, h_BF

    h_BF, y_TBF = jax.lax.scan(step, start["h_BF"], (x_BTD.swapaxes(0, 1), reset_BT.T))
    y_BTD = y_TBF.swapaxes(0, 1).astype(x_BTD.dtype)
    if self.broken == "splitting":
      h_BF = h_BF + 0.01
    return y_BTD, None if state is None else dict(h_BF=h_BF)

  def init_state(self, batch, width, capacity, dtype=jnp.float32):
    return dict(h_BF=jnp.zeros((batch, width), jnp.float32))


@pytest.mark.parametrize(
  "law", ["splitting", "causality", "packing", "names", "learning", "bfloat16"]
)
def test_law_catches_a_mixer_that_breaks_it(law):
  laws.LAWS[law](Mean())
  with pytest.raises(laws.LawBroken):
    laws.LAWS[law](Mean(broken=law))
