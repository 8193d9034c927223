"""Every law holds for every member, and each law catches a mixer that breaks it."""

import pytest
from members import EVERY, SPECS, marked, mixer

from seqlab import laws
from seqlab.mutants import MUTANTS
from seqlab.nn.mixers import MIXERS
from seqlab.spec import parse_one

# In the suite that runs with every commit all members keep the laws that tell most; the rest of the
# table, and options, are `-m slow`; `seqlab check --all` prints the whole of it.
TELLING = "splitting", "causality", "packing", "padding", "names", "costs"
FURTHER = "learning", "bfloat16"
OF_COMPUTING = "forms", "gradients", "saving"
FAMILIES = (
  "attention",
  "delta_net",
  "gla",
  "gru",
  "hyena",
  "lru",
  "lstm",
  "mamba2",
  "min_gru",
  "rnn",
)
SHARDED = [marked(f"{name}()", (*FAMILIES, "tcn")) for name in MIXERS]


def hold(spec, names):
  """All laws of a mixer in one test: they share what is compiled."""
  one, broken = mixer(spec), {}
  for name in names:
    try:
      laws.LAWS[name](one)
    except laws.LawBroken as error:
      broken[name] = str(error)
  assert not broken, f"{spec} breaks {broken}"


@pytest.mark.parametrize("spec", EVERY)
def test_laws_hold(spec):
  hold(spec, TELLING)


@pytest.mark.parametrize(
  "spec", [*(marked(spec, FAMILIES) for spec in SPECS), *EVERY[len(SPECS) :]]
)
def test_further_laws_hold(spec):
  hold(spec, FURTHER)


@pytest.mark.slow
@pytest.mark.parametrize("spec", EVERY)
def test_laws_of_computing_hold(spec):
  hold(spec, OF_COMPUTING)


@pytest.mark.parametrize("spec", SHARDED)
def test_gradients_are_the_same_on_a_mesh(spec):
  laws.sharding(mixer(spec))


def test_the_law_of_meshes_catches_windows_of_shards(monkeypatch):
  """XLA's partitioner takes their gradients wrong, which `tcn` gets round by gathering first."""
  monkeypatch.setattr("seqlab.nn.mixers.tcn.axes.constrain", lambda x, letters: x)
  with pytest.raises(laws.LawBroken, match="gradient of"):
    laws.sharding(mixer("tcn()"))


@pytest.mark.parametrize(
  "sizes", [dict(fsdp=8), dict(tensor=4, data=2), dict(sequence=2, data=4)], ids=str
)
def test_losses_are_the_same_on_other_meshes(sizes):
  laws.sharding(mixer("attention(heads=4)"), sizes)


@pytest.mark.parametrize(
  "spec", ["attention(heads=4, kv_heads=2, window=5, qk_norm=True)", "min_gru()"]
)
def test_gradients_are_the_same_where_time_is_shared_out(spec):
  laws.sharding(mixer(spec), dict(data=2, sequence=4))


@pytest.mark.slow
@pytest.mark.parametrize(
  "sizes", [dict(data=2, sequence=4), dict(fsdp=2, tensor=2, sequence=2)], ids=str
)
@pytest.mark.parametrize("spec", SPECS)
def test_gradients_of_all_are_the_same_where_time_is_shared_out(spec, sizes):
  laws.sharding(mixer(spec), sizes)


def test_every_registered_mixer_is_a_member():
  assert {parse_one(spec).name for spec in SPECS} == set(MIXERS)


LONG = [pytest.param(m, marks=pytest.mark.slow) if m.patched else m for m in MUTANTS]


@pytest.mark.parametrize("mutant", LONG, ids=lambda mutant: mutant.wrong)
def test_a_law_catches_a_planted_bug(mutant):
  with mutant.planted() as wrong, pytest.raises(laws.LawBroken):
    laws.LAWS[mutant.law](wrong)


def test_every_law_has_a_mutant_or_a_reason():
  """Saving is Orbax's business, tested with its faults in tests/test_checkpoint*.py; sharding takes
  the longest, and its mutant is tested above.
  """
  assert {mutant.law for mutant in MUTANTS} == set(laws.LAWS) - {"saving", "sharding"}
