"""Adapters: their names and their algebra on every network's tree, what learns, what is saved, and
that a run of them and the plain run merged from it are one model.
"""

import json
import shutil

import jax
import numpy as np
import pytest
from test_resume import bits
from test_step import at, batches, language_model, moved, optimizers_of, start

from seqlab import axes, bases, build
from seqlab import config as configs
from seqlab.adapt.lora import BASE, Lora, adapted, factors
from seqlab.checkpoint import Checkpoints
from seqlab.cli import main
from seqlab.data.learned import learned_from, save_learned
from seqlab.leaves import by_path, nest
from seqlab.networks import Ends, make_network
from seqlab.prepare import data_of


@pytest.mark.parametrize(
  ("path", "names"),
  [
    ("stack/layers_L/block0/mixer/q_DHK", ("q_a_DR", "q_b_RHK")),
    ("tail/block0/mixer/out_HKD", ("out_a_HKR", "out_b_RD")),
    ("mixer/w_DGF", ("w_a_DR", "w_b_RGF")),
    ("layers_L/mixer/recurrent_FF", ("recurrent_a_FR", "recurrent_b_RF")),
    ("layers_L/mlp/in_EDF", ("in_a_EDR", "in_b_ERF")),
    ("conv_YXDF", ("conv_a_YXDR", "conv_b_RF")),
    ("embed_VD", ("embed_a_VR", "embed_b_RD")),
    ("layers_L/mixer/bias_GF", None),
    ("layers_L/norm/scale_D", None),
  ],
)
def test_factors_of_a_name(path, names):
  """A sums what W does, B sums the rank: so they are matrices to decay, to muon and to sharding."""
  found = factors(path)
  if names is None:
    assert found is None
    return
  folder = path.rpartition("/")[0]
  assert (found.a, found.b) == tuple(f"{folder}/{name}" if folder else name for name in names)
  assert axes.fan_in_axes(found.a) == axes.fan_in_axes(path) == (*range(found.first, found.last),)
  assert axes.fan_in_axes(found.b) == (axes.letters(found.b).index("R"),)


TEXT = (np.zeros((1, 8), np.int32),) * 2
NETWORKS = {
  "decoder": (["model.mixer=rnn() | attention(heads=4)", "model.depth=3"], Ends(40), TEXT),
  "encoder": (["model.name=encoder", "model.mixer=lstm()"], Ends(40, tags=3, crf=True), TEXT),
  "encoder_decoder": (
    ["model.name=encoder_decoder"],
    Ends(40),
    (*TEXT, None, TEXT[0], (*TEXT, TEXT[0])),
  ),
  "cnn": (
    ["model.name=cnn(channels=(8, 8))"],
    Ends(classes=9, shape=(8, 8, 1)),
    (np.zeros((1, 8, 8, 1), np.float32),),
  ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_merging_is_w_plus_alpha_over_rank_a_b_in_every_network(name):
  overrides, ends, inputs = NETWORKS[name]
  network = make_network(configs.load("", ["model.width=16", *overrides]), ends)
  draw, lora = np.random.default_rng(0), Lora(rank=3, alpha=6.0)
  shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs))
  base = {path: draw.standard_normal(x.shape, "f") for path, x in by_path(shapes).items()}
  pairs = lora.adapted({path: x.shape for path, x in base.items()})
  assert all(not set(axes.letters(path)) & set("VCS") for path in pairs)
  own, wanted = {}, dict(base)
  for path, one in pairs.items():
    shape, first, last = base[path].shape, one.first, one.last
    a = own[one.a] = draw.standard_normal((*shape[:last], 3), "f")
    b = own[one.b] = draw.standard_normal((*shape[:first], 3, *shape[last:]), "f")
    stacked = shape[:first]
    a = a.reshape(*stacked, int(np.prod(shape[first:last])), 3)
    b = b.reshape(*stacked, 3, int(np.prod(shape[last:])))
    wanted[path] = base[path] + 6 / 3 * (a @ b).reshape(shape)
  merged = lora.merge(nest(base), nest(own))
  assert jax.tree.structure(merged) == jax.tree.structure(shapes)
  for path, leaf in by_path(merged).items():
    np.testing.assert_allclose(leaf, wanted[path], rtol=1e-5, atol=1e-5, err_msg=path)


def test_what_is_adapted():
  shapes = {"in_DF": (8, 16), "w_DF": (4, 16), "embed_VD": (40, 8), "scale_D": (8,)}
  assert set(Lora(rank=4).adapted(shapes)) == {"in_DF"}
  assert set(Lora(rank=3).adapted(shapes)) == {"in_DF", "w_DF"}
  assert set(Lora(rank=3, of="V").adapted(shapes)) == {"embed_VD"}
  assert set(Lora(rank=3, of="w_|scale").adapted(shapes)) == {"w_DF"}
  made = Lora(rank=4).init(jax.random.key(0), {"in_DF": (400, 500)})
  assert float(made["in_a_DR"].std()) == pytest.approx(400**-0.5, rel=0.1)
  assert not np.any(made["in_b_RF"])


def test_factors_and_fresh_leaves_are_what_a_player_has():
  objective, given, lora = language_model("min_gru()"), at(batches(1), 0), Lora(rank=2)
  whole = by_path(objective.init(jax.random.key(0), given)["model"])
  base = {path: leaf for path, leaf in whole.items() if path != "embed_VD"}
  learning = adapted(objective, lora, {path: leaf.shape for path, leaf in base.items()})
  optimizers = optimizers_of(learning)
  state = start(learning, optimizers, given, ema=0.5)
  own = by_path(state["params"]["model"])
  fresh = {path for path in own if "R" not in axes.letters(path)}
  assert fresh == {"embed_VD"} and len(own) == 3  # and the two factors of w_DGF
  held = sum(x.size for x in jax.tree.leaves(state["opt"]))
  assert held == 2 * sum(x.size for x in own.values()) + 1
  merged = lora.merge(nest(base), state["params"]["model"])  # where B is zero: where one began
  assert moved(merged, nest(whole)) == set()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """A base of drawn parameters, and a run of adapters on it, sharded three ways, with a checkpoint
  every second step.
  """
  folder = tmp_path_factory.mktemp("lora")
  (folder / "text.txt").write_text("the cat sat on the mat\nein Hund rennt\n" * 60)
  flags = [
    f"data.source=text(path='{folder / 'text.txt'}', documents='line')",
    *(f"data.store={folder / 'data'}", "batch=8", "length=8", "model.width=16", "model.depth=1"),
    *("model.mixer=min_gru()", "model.mlp=none()", "log.tensorboard=False", "lr=0.05", "steps=4"),
    *("evaluate.every=0", "checkpoint.every=2", "checkpoint.keep=9", "schedule=constant()"),
  ]
  config = configs.load("", flags)
  data = data_of(config, tell=lambda line: None)
  base = folder / "base"
  with Checkpoints(base / "checkpoints") as checkpoints:
    configs.save(config, base / "config.json")
    save_learned(data, base)
    objective = build.make_objective(config, learned_from(data))
    shapes = jax.eval_shape(
      lambda: objective.init(jax.random.key(0), {"tokens_BT": TEXT[0], "pos_BT": TEXT[0]})
    )
    draw = np.random.default_rng(0)
    for step in (1, 2):
      params = jax.tree.map(lambda s: 0.3 * draw.standard_normal(s.shape, "f"), shapes)
      checkpoints.save(step, {"params": params})
  mesh = [f"--config.mesh.{axis}=2" for axis in ("data", "fsdp", "tensor")]
  tune = ["train", *(f"--config.{flag}" for flag in flags), f"--config.init.path={base}", *mesh]
  tune += ["--config.init.adapt=lora(rank=4)", "--config.ema=0.5", "--config.accumulate=2"]
  assert main([*tune, f"--workdir={folder / 'tuned'}"]) == 0
  return folder, tune


def losses(workdir, *flags):
  assert main(["evaluate", f"--workdir={workdir}", *flags]) == 0
  return json.loads((workdir / "evaluate_valid.json").read_text())["loss"]


def test_adapters_are_saved_alone_and_a_kill_changes_no_bit(runs, tmp_path):
  folder, tune = runs
  whole, copy = bits(folder / "tuned"), tmp_path / "killed"
  learned = {path for path in whole if path.startswith("params/")}
  assert len(learned) == 2 and all("R" in axes.letters(path) for path in learned)
  before = bits(folder / "tuned", 2)
  assert not any(np.array_equal(before[path], whole[path]) for path in learned), "all of them learn"
  assert not any(path.startswith(f"params/{BASE}") or "embed" in path for path in whole)
  shutil.copytree(folder / "tuned", copy)
  shutil.rmtree(copy / "checkpoints" / "4")  # what a kill -9 after two steps leaves
  assert main([*tune, f"--workdir={copy}"]) == 0
  again = bits(copy)
  assert again.keys() == whole.keys()
  for path in whole:
    assert np.array_equal(again[path], whole[path]), path


def test_the_merged_run_is_the_same_model_and_may_be_a_base(runs):
  folder, _ = runs
  out = folder / "merged"
  assert main(["merge", f"--workdir={folder / 'tuned'}", f"--out={out}"]) == 0
  lines = (folder / "tuned" / "metrics.jsonl").read_text().splitlines()
  trained = [json.loads(line)["valid/loss"] for line in lines if "valid/loss" in line]
  # as it was trained, on its mesh; opened again; merged
  assert losses(folder / "tuned") == pytest.approx(trained[-1], rel=1e-5)
  assert losses(out) == pytest.approx(trained[-1], rel=1e-5)
  assert losses(folder / "base") > 1.01 * trained[-1]
  assert bases.start_of(str(out), language_model("min_gru()")) == "params/model"


def test_another_base_is_refused_and_one_that_moved_is_found(runs, tmp_path, capsys):
  folder, tune = runs

  def mistake(*command):
    capsys.readouterr()
    assert main([str(word) for word in command]) == 2
    return capsys.readouterr().err

  base, tuned = tmp_path / "base", tmp_path / "tuned"
  shutil.copytree(folder / "base", base)
  shutil.copytree(folder / "tuned", tuned)
  pin = json.loads((tuned / "base.json").read_text())
  (tuned / "base.json").write_text(json.dumps({**pin, "path": "/nowhere"}))
  assert losses(tuned) == losses(folder / "tuned"), "config.init.path leads to it"
  (tuned / "base.json").write_text(json.dumps({**pin, "step": 1}))
  assert "is not the base that" in mistake("evaluate", f"--workdir={tuned}")
  (tuned / "base.json").write_text(json.dumps({**pin, "step": 3}))
  assert "no checkpoint of step 3" in mistake("evaluate", f"--workdir={tuned}")
  (tuned / "base.json").unlink()
  assert "base.json: unreadable" in mistake("evaluate", f"--workdir={tuned}")
  again = [word.replace(str(folder / "base"), str(folder / "tuned")) for word in tune]
  said = mistake(*again, f"--workdir={tmp_path / 'again'}")
  assert "is a run of adapters; start from what `seqlab merge" in said
  assert "no adapters" in mistake("merge", f"--workdir={base}", f"--out={tmp_path / 'x'}")
  assert "give a new folder" in mistake("merge", f"--workdir={tuned}", f"--out={base}")
  alone = [word for word in tune if "init.path" not in word]
  assert "name it in config.init.path" in mistake(*alone, f"--workdir={tmp_path / 'alone'}")
