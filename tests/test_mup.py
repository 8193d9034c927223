"""Width transfer: scales by letters, nothing changes at the base, and what moves has one size."""

import json
import random

import numpy as np
import pytest

from seqlab import build
from seqlab.adapt.mup import Scale
from seqlab.cli import main
from seqlab.config import load
from seqlab.coordinates import movements, slope
from seqlab.data.learned import learned_from
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.prepare import data_of

SMALL = (
  "model.depth=1", "model.mlp=plain(ratio=2)", "model.mixer=attention(heads=2)", "batch=8",
  "length=16", "lr=4e-3", "schedule=constant()", "decay=0.0", "clip=0.0",
)  # fmt: skip
MUP = "init.adapt=mup(base=16)"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  """A text that is the same everywhere: the library's own differs from Python to Python, and with
  it how far features move.
  """
  folder, draw = tmp_path_factory.mktemp("mup"), random.Random(0)
  words = ["".join(draw.choices("abcdefgh", k=draw.randint(1, 6))) for _ in range(60)]
  lines = (" ".join(draw.choices(words, k=9)) for _ in range(400))
  (folder / "text.txt").write_text("\n".join(lines))
  source = f"data.source=text(path='{folder}/text.txt', documents='line')"
  config = load("", [*SMALL, source, f"data.store={folder}/store"])
  return data_of(config, tell=lambda line: None)


def scales_of(data, *more):
  return build.width_scales(load("", [*SMALL, *more]), learned_from(data))


def test_scales_follow_from_the_letters(data):
  scales = scales_of(data, MUP, "model.width=64", "model.tied=False")
  block = "stack/layers_L/block0"
  one = Scale(1.0, 1.0)
  assert scales["embed_VD"] == scales["final_norm/scale_D"] == one
  assert scales["head_DV"] == Scale(0.5, 0.25)  # 4 times as wide: another 1/sqrt(4), and 1/4
  for name in ("mixer/k_DHK", "mixer/v_DHK", "mixer/out_HKD", "mlp/in_DF", "mlp/out_FD"):
    assert scales[f"{block}/{name}"] == Scale(1.0, 0.25), name
  assert scales[f"{block}/mixer/q_DHK"] == Scale(0.5, 0.125)
  assert scales[f"{block}/mlp_norm/scale_D"] == one
  normed = scales_of(data, MUP, "model.width=64", "model.mixer=attention(heads=2, qk_norm=True)")
  assert normed[f"{block}/mixer/q_norm/scale_D"] == Scale(0.5, 0.5)
  assert normed[f"{block}/mixer/q_DHK"] == Scale(1.0, 0.25)
  latent = scales_of(data, MUP, "model.width=64", "model.mixer=mla(heads=2)")
  assert latent[f"{block}/mixer/turned_DHK"] == latent[f"{block}/mixer/q_DHK"]
  tied = scales_of(data, MUP, "model.width=64")
  assert tied["final_norm/scale_D"] == Scale(0.25, 0.25) and tied["embed_VD"] == one
  router = scales_of(data, MUP, "model.width=64", "model.mlp=moe(experts=4)")
  assert router[f"{block}/mlp/router_DE"] == Scale(0.5, 0.25)
  assert router[f"{block}/mlp/out_EFD"] == Scale(1.0, pytest.approx(24 / 88))


def test_at_the_base_nothing_changes(data):
  assert set(scales_of(data, MUP, "model.width=16").values()) == {Scale(1.0, 1.0)}
  assert scales_of(data, "model.width=64") == {}


def test_the_state_begins_at_the_scales(data):
  learned = learned_from(data)

  def params(*more):
    config = load("", [*SMALL, "model.width=32", "ema=0.9", *more])
    objective, loader = build.make_objective(config, learned), build.make_loader(config, data)
    scales = build.width_scales(config, learned)
    optimizers = build.make_optimizers(config, objective, 1, scales)
    mesh = build.make_mesh(config)
    return build.initial_state(config, objective, optimizers, loader, mesh, scales).make(0)

  plain, scaled = params(), params(MUP)
  wanted = scales_of(data, MUP, "model.width=32")
  for state in (scaled["params"], scaled["extra"]["ema"]):
    for path, leaf in by_path(state["model"]).items():
      before = by_path(plain["params"]["model"])[path]
      np.testing.assert_allclose(leaf, before * wanted[path].init, rtol=1e-6, err_msg=path)


def test_what_moves_has_one_size_at_every_width(data):
  def slopes(*more):
    widths, found = (16, 64), {}
    for width in widths:
      config = load("", [*SMALL, *more, f"model.width={width}"])
      for name, steps in movements(config, data, 3).items():
        found.setdefault(name, []).append(np.array([steps]))
    return {name: slope(list(widths), of) for name, of in found.items()}

  transferred, standard = slopes(MUP), slopes()
  assert max(map(abs, transferred.values())) < 0.2, transferred
  assert standard["scores"] > 0.5 and standard["last_block"] > 0.25, standard


@pytest.mark.parametrize(
  "overrides, words",
  [
    (["optimizer=sgd()"], "the learning rates of mup\\(\\) are those of adamw and lion"),
    (["init.adapt=mup(base=0)"], "base=0 of mup"),
    (["init.adapt=mup(base=16) | lora(rank=2)", "init.path=x"], "take one of them"),
    (["model.name=text_cnn()", "objective=classification()"], "one stack of layers"),
  ],
  ids=str,
)
def test_what_cannot_be_transferred_is_refused(overrides, words):
  with pytest.raises(UserError, match=words):
    build.check(load("", [MUP, *overrides]))


@pytest.mark.parametrize(
  "overrides, words",
  [
    (["init.adapt=mup(base=15)"], "mup.base=15.*: at that width, .*heads=2 does not divide"),
    (["model.norm=none"], "wants a norm before it"),
  ],
  ids=str,
)
def test_a_network_that_has_no_base_is_refused(data, overrides, words):
  with pytest.raises(UserError, match=words):
    scales_of(data, MUP, *overrides)


def test_the_command_writes_slopes_and_a_picture(tmp_path, capsys):
  flags = [f"--config.{one}" for one in (*SMALL, MUP, "steps=2", "model.width=16")]
  train = ["train", f"--workdir={tmp_path}", *flags, "--config.log.tensorboard=False"]
  assert main([*train, "--config.evaluate.batches=1"]) == 0
  command = ["coordinates", f"--workdir={tmp_path}", "--steps=1", "--seeds=1"]
  assert main([*command, "--widths=32,16"]) == 0
  kept = json.loads((tmp_path / "coordinates.json").read_text())
  assert kept["widths"] == [16, 32] and kept["seeds"] == 1
  slopes = [kept[f"slope_{name}"] for name in ("first_block", "last_block", "scores")]
  assert kept["steepest"] == max(slopes, key=abs)
  assert (tmp_path / "coordinates.png").read_bytes().startswith(b"\x89PNG")
  assert main([*command, "--widths=16"]) == 2
  assert "--widths=16: two widths or more are wanted" in capsys.readouterr().err
