"""Rates that fall and layers that thaw from the top: what each layer gets, and that what is frozen
is as if it were not there.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seqlab import build
from seqlab import config as configs
from seqlab.adapt import adaptations
from seqlab.adapt.layerwise import Gradual, LayerDecay, Layers
from seqlab.errors import UserError
from seqlab.leaves import by_path, nest
from seqlab.optim import make_optimizer

LAYERS = Layers(depth=5, pattern=2)
SHAPES = {
  "classes_DC": (3, 2),
  "embed_VD": (5, 3),
  "final_norm/scale_D": (3,),
  "stack/layers_L/block0/mixer/q_DHK": (2, 3, 2, 2),
  "stack/layers_L/block0/mixer/scale_D": (2, 3),
  "stack/layers_L/block1/mixer/w_DF": (2, 3, 4),
  "stack/tail/block0/mixer/q_DHK": (3, 2, 2),
}
HEIGHTS = {
  "classes_DC": 0,
  "embed_VD": 6,
  "final_norm/scale_D": 0,
  "stack/layers_L/block0/mixer/q_DHK": [5, 3],
  "stack/layers_L/block0/mixer/scale_D": [5, 3],
  "stack/layers_L/block1/mixer/w_DF": [4, 2],
  "stack/tail/block0/mixer/q_DHK": 1,
}


def drawn(seed):
  draw = np.random.default_rng(seed)
  return nest({path: jnp.array(draw.standard_normal(s, "f")) for path, s in SHAPES.items()})


def row(tree, path, at):
  """A leaf, or one layer of it."""
  leaf = np.asarray(by_path(tree)[path])
  return leaf if np.ndim(HEIGHTS[path]) == 0 else leaf[at]


def test_heights_of_the_repeated_pattern_and_its_tail():
  for path, height in HEIGHTS.items():
    assert LAYERS.height(path).tolist() == height, path
  assert LAYERS.height("encoder/layers_L/block1/mlp/in_a_DR").tolist() == [4, 2]
  for table in ("position_SD", "type_SD", "embed_b_RD"):
    assert LAYERS.height(table) == 6


def test_rates_fall_by_layer_and_decay_with_them():
  """ELECTRA's and BERT's form: 1 for the head and the top layer, factor^depth for embeddings."""
  params, grads = drawn(0), drawn(1)
  given = dict(schedule=lambda step: 0.1, decay=0.2, rates=(("classes", 7.0),))
  decay = LayerDecay(factor=0.5)
  found, wanted = (
    jax.jit(optimizer.update)(grads, optimizer.init(params), params, 0)[0]
    for optimizer in (
      make_optimizer("sgd()", layers=LAYERS, layer_decay=decay, **given),
      make_optimizer("sgd()", layers=LAYERS, **given),
    )
  )
  rates = {0: 1, 1: 1, 2: 0.5, 3: 0.25, 4: 0.125, 5: 0.0625, 6: 0.03125}
  for path, plain in by_path(wanted).items():
    rate = np.vectorize(rates.get)(np.array(HEIGHTS[path]))
    rate = rate.reshape(*rate.shape, *[1] * (plain.ndim - rate.ndim))
    np.testing.assert_allclose(by_path(found)[path], rate * plain, rtol=1e-6, err_msg=path)


def test_what_thaws_is_as_if_training_began_there():
  """Frozen, a layer keeps its bits; thawed, it moves as under an optimizer made at that step, whose
  moments are its own. Muon has Adam for vectors and tables: both are tried.
  """
  every, steps = 2, 14
  options = dict(schedule=lambda step: 0.1, decay=0.1)
  optimizer = make_optimizer("muon(b2=0.999)", layers=LAYERS, gradual=Gradual(every), **options)
  fresh = make_optimizer("muon(b2=0.999)", **options)
  params = drawn(0)
  params["embed_VD"] = params["embed_VD"].at[0, 0].set(-0.0)
  state, states = optimizer.init(params), {}
  step, alone = jax.jit(optimizer.update), jax.jit(fresh.update)
  for t in range(steps):
    grads, updates_from = drawn(10 + t), {}
    updates, state = step(grads, state, params, t)
    after = jax.tree.map(jnp.add, params, updates)
    if t % every == 0:
      states[t] = fresh.init(params)
    for begun in states:
      updates_from[begun], states[begun] = alone(grads, states[begun], params, t)
    for path, height in HEIGHTS.items():
      for at, thaws in enumerate(every * np.ravel(height)):
        if t < thaws:
          same = row(params, path, at).tobytes() == row(after, path, at).tobytes()
          assert same, f"{path}[{at}] moved at step {t} before {thaws}"
        else:
          found, wanted = row(updates, path, at), row(updates_from[thaws], path, at)
          np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-6, err_msg=f"{path} {t}")
    params = after
  assert max(states) == 12  # the embeddings'


def test_what_is_frozen_has_no_say_in_clipping():
  params, grads = drawn(0), drawn(1)
  options = dict(schedule=lambda step: 1.0, clip=0.1)
  optimizer = make_optimizer("sgd()", layers=LAYERS, gradual=Gradual(100), **options)
  found, _ = jax.jit(optimizer.update)(grads, optimizer.init(params), params, 0)
  norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in by_path(found).values()))
  assert norm == pytest.approx(0.1, rel=1e-5)
  moving = {path for path, leaf in by_path(found).items() if np.any(leaf)}
  assert moving == {"classes_DC", "final_norm/scale_D"}


def test_config_to_optimizer():
  flags = ["model.depth=5", "model.mixer=lstm() | attention(heads=4)", "schedule=constant()"]
  adapt = "init.adapt=layer_decay(factor=0.5) | gradual(every=2)"
  config = configs.load("", [*flags, adapt, "lr=1.0", "decay=0.0", "optimizer=sgd()", "clip=0.0"])
  build.check(config)

  class Objective:
    players = ("model",)

  optimizer = build.make_optimizers(config, Objective(), 1)["model"]
  params, grads = drawn(0), jax.tree.map(jnp.ones_like, drawn(1))
  update, state = jax.jit(optimizer.update), optimizer.init(params)
  moved = [by_path(update(grads, state, params, step)[0]) for step in (3, 4, 200)]
  moved = [tree["stack/layers_L/block1/mixer/w_DF"][:, 0, 0].tolist() for tree in moved]
  assert moved == [[0, 0], [0, -0.5], [-(0.5**3), -0.5]]


@pytest.mark.parametrize(
  ("overrides", "said"),
  [
    (["init.adapt=gradual(every=0)"], "every=0 of gradual(): a positive number is wanted"),
    (["init.adapt=layer_decay(factor=-1.0)"], "factor=-1.0 of layer_decay()"),
    (["init.adapt=layerdecay()"], "unknown 'layerdecay' (did you mean 'layer_decay'?)"),
    (["init.adapt=gradual(every=2)|gradual(every=3)"], "each once"),
    (["init.adapt=gradual(every=2)", "model.name=text_cnn", "objective=classification()",
      "model.depth=4"], "is no stack of layers"),
    (["init.adapt=lora(rank=2, alpha=4)", "init.path=runs/a", "model.name=sequence_gan",
      "objective=sequence_adversarial()"], "config.model.name='sequence_gan' is two"),
  ],
)  # fmt: skip
def test_mistakes_are_one_line(overrides, said):
  with pytest.raises(UserError) as error:
    build.check(configs.load("", overrides))
  assert said in str(error.value) and "\n" not in str(error.value)


def test_nothing_is_asked_for_by_nothing():
  assert not any(vars(adaptations("")).values())
