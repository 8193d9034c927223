"""Parameters of another run: to evaluate, and to start fine-tuning from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from seqlab import stored
from seqlab.checkpoint import Checkpoints
from seqlab.errors import UserError
from seqlab.pretrained import has_best, partial_restore, read_metadata, restore_params


def make_params(value: float, classes: int = 0, vocabulary: int = 6):
  params = {
    "embed_VD": jnp.full((vocabulary, 4), float(value)),
    "blocks_L": {"q_DHK": jnp.arange(32.0).reshape(2, 4, 4) + value},
    "none_D": jnp.zeros((0,)),
  }
  if classes:
    params["head"] = {"w_DC": jnp.full((4, classes), float(value))}
  return {"model": params}


@pytest.fixture
def run(tmp_path):
  """A run with steps 10, 20, 30, of which 20 is best."""
  with Checkpoints(tmp_path / "checkpoints", keep=3) as checkpoints:
    for step, loss in ((10, 3.0), (20, 1.0), (30, float("nan"))):
      params = make_params(step)
      average = jax.tree.map(lambda x: x - 0.5, params)
      state = {"params": params, "opt": {"n": jnp.ones(3)}, "extra": {"ema": average}}
      checkpoints.save(step, state, {"loss": loss}, {"config": {"step": step}})
  return tmp_path


def value(params) -> float:
  return float(params["model"]["embed_VD"][0, 0])


@pytest.mark.parametrize("which, step", [("latest", 30), ("best", 20), (10, 10), ("10", 10)])
def test_which_step(run, which, step):
  example = make_params(0)
  for path in (run, run / "checkpoints", str(run)):
    params, got, metadata = restore_params(path, example, which)
    assert (got, value(params), metadata) == (step, step, {"config": {"step": step}})
  assert read_metadata(run, which) == (step, {"config": {"step": step}})
  assert restore_params(run / "checkpoints" / str(step), example)[1] == step
  assert value(restore_params(run, example, which, source="extra/ema")[0]) == step - 0.5


def test_params_come_in_the_dtype_and_on_the_mesh_wanted(run):
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("data",))

  def look(x):
    spec = P("data") if x.ndim and x.shape[0] == 2 else P()
    return jax.ShapeDtypeStruct(x.shape, jnp.bfloat16, sharding=NamedSharding(mesh, spec))

  example = jax.tree.map(look, make_params(0))
  params, _, _ = restore_params(run, example)
  assert jax.tree.structure(params) == jax.tree.structure(example)
  for got, wanted in zip(jax.tree.leaves(params), jax.tree.leaves(example), strict=True):
    assert got.dtype == jnp.bfloat16 and got.shape == wanted.shape
    assert got.sharding.is_equivalent_to(wanted.sharding, got.ndim)
  assert value(params) == 30


def test_only_params_are_read(run, monkeypatch):
  load, seen = stored.ocp.load, []

  def spy(path, tree):
    seen.append(tree["state"])
    return load(path, tree)

  monkeypatch.setattr(stored.ocp, "load", spy)
  restore_params(run, make_params(0))
  assert seen[0]["opt"]["n"] is stored.ocp.PLACEHOLDER
  assert seen[0]["params"]["model"]["embed_VD"] is not stored.ocp.PLACEHOLDER


@pytest.mark.parametrize(
  "act, said",
  [
    (lambda run: restore_params(run / "nowhere", make_params(0)), "no checkpoint here"),
    (lambda run: restore_params(run, make_params(0), 15), "no checkpoint of step 15; there is: 10"),
    (lambda run: restore_params(run, make_params(0), "bset"), "did you mean 'best'?"),
    (lambda run: restore_params(run, make_params(0), source="ema"), "there is: extra, opt, params"),
    (lambda run: restore_params(run, make_params(0, classes=2)), "1 missing (model/head/w_DC)"),
    (
      lambda run: restore_params(run, make_params(0, vocabulary=7)),
      "model/embed_VD: float32[6,4] saved, float32[7,4] wanted",
    ),
    (
      lambda run: restore_params(run, jax.tree.map(jnp.int32, make_params(0))),
      "model/embed_VD: float32[6,4] saved, int32[6,4] wanted",
    ),
    (
      lambda run: partial_restore(run, make_params(0), keep="("),
      "init.keep='(' is neither axis letters nor",
    ),
    (lambda run: partial_restore(run, make_params(0), keep="bloks"), "takes nothing"),
    (
      lambda run: partial_restore(run, make_params(0, vocabulary=7)),
      "model/embed_VD: float32[6,4] saved, float32[7,4] wanted",
    ),
    (
      lambda run: partial_restore(run, make_params(0, vocabulary=5)),
      "select only what fits; of the same vocabulary, set config.model.vocab=6",
    ),
    (
      lambda run: partial_restore(run, make_params(0, classes=2), allow_missing=False),
      "1 missing (model/head/w_DC)",
    ),
  ],
)
def test_mistakes_are_one_line(run, act, said):
  with pytest.raises(UserError) as error:
    act(run)
  assert said in str(error.value) and "\n" not in str(error.value)


def test_damage_names_the_other_steps(run):
  next((run / "checkpoints" / "30" / "state").glob("manifest*")).unlink()
  with pytest.raises(UserError, match=r"damaged .*; other steps here: 10, 20"):
    restore_params(run, make_params(0))
  assert (run / "checkpoints" / "30").is_dir(), "a reader must not move somebody else's files"


def test_no_finite_metric_has_no_best(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, {"params": make_params(1)})
  with pytest.raises(UserError, match="none is best"):
    restore_params(tmp_path, make_params(0), "best")
  assert not has_best(tmp_path) and not has_best(tmp_path / "nowhere")


def test_a_damaged_step_is_not_best(run):
  assert has_best(run)
  (run / "checkpoints" / "20" / "_CHECKPOINT_METADATA").unlink()
  assert restore_params(run, make_params(0), "best")[1] == 10


def test_partial_restore_takes_what_fits_and_reports_the_rest(run):
  start = make_params(0, classes=2)
  params, report = partial_restore(run, start)
  assert value(params) == 30
  np.testing.assert_array_equal(params["model"]["head"]["w_DC"], start["model"]["head"]["w_DC"])
  assert report.missing == ("model/head/w_DC",)
  assert "model/blocks_L/q_DHK" in report.taken and not report.mismatched


def test_partial_restore_keeps_only_what_is_selected(run):
  start = make_params(0, vocabulary=7)
  del start["model"]["none_D"]
  params, report = partial_restore(run, start, keep="blocks", which="best")
  assert float(params["model"]["blocks_L"]["q_DHK"][0, 0, 0]) == 20
  assert value(params) == 0 and params["model"]["embed_VD"].shape == (7, 4)
  assert report.taken == ("model/blocks_L/q_DHK",)
  assert report.mismatched == {"model/embed_VD": ("float32[6,4]", "float32[7,4]")}
  assert report.unexpected == ("model/none_D",)
  assert jax.tree.structure(params) == jax.tree.structure(start)
