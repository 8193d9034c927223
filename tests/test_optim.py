"""Optimizers: schedules by their formulas, decay, rates and freezing by name, members learn."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from seqlab.axes import selects
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.optim import OPTIMIZERS, make_optimizer
from seqlab.schedules import SCHEDULES, make_schedule

STEPS, EPOCH, LR = 100, 10, 0.5


def warm(t, warmup):
  return min((t + 1) / max(warmup, 1), 1)


def cosine(t):  # cosine(warmup=10, final=0.2)
  share = min(max((t - 10) / 90, 0), 1)
  return warm(t, 10) * (0.2 + 0.8 * (1 + math.cos(math.pi * share)) / 2)


def wsd(t):  # wsd(warmup=5, decay=0.4, final=0.1): from step 60 on
  return warm(t, 5) * (1 - 0.9 * min(max((t - 60) / 40, 0), 1))


FORMULAS = {
  "cosine(warmup=10, final=0.2)": cosine,
  "wsd(warmup=5, decay=0.4, final=0.1)": wsd,
  "constant()": lambda t: 1.0,
  "constant(warmup=20)": lambda t: warm(t, 20),
  "inverse_sqrt(warmup=25)": lambda t: warm(t, 25) * math.sqrt(25 / max(t, 25)),
  "step(every=30, factor=0.5)": lambda t: 0.5 ** (t // 30),
  "step(every=30, factor=0.5, warmup=4)": lambda t: warm(t, 4) * 0.5 ** (t // 30),
  # Full rate in epochs 0..3, from the fifth on times 0.8 each.
  "per_epoch(factor=0.8, start=4)": lambda t: 0.8 ** max(t // EPOCH + 1 - 4, 0),
}


def test_every_schedule_has_a_formula_here():
  assert {text.partition("(")[0] for text in FORMULAS} == set(SCHEDULES)


@pytest.mark.parametrize("text", FORMULAS)
def test_schedule(text):
  steps = [0, 1, 4, 9, 10, 19, 24, 25, 29, 30, 39, 40, 59, 60, 61, 80, 99, 100, 150]
  schedule = make_schedule(text, LR, STEPS, EPOCH)
  found = jax.vmap(schedule)(jnp.array(steps))
  np.testing.assert_allclose(found, [LR * FORMULAS[text](t) for t in steps], rtol=1e-5)


def test_ends_of_the_decays():
  ends = {"cosine(final=0.1)": 0.1, "cosine()": 0.1, "wsd()": 0.0}
  for text, end in ends.items():
    assert float(make_schedule(text, 1.0, STEPS, EPOCH)(STEPS)) == pytest.approx(end, abs=1e-6)


@pytest.mark.parametrize(
  ("text", "said"),
  [
    ("cosin()", "config.schedule: unknown 'cosin'.*did you mean 'cosine'"),
    ("cosine(warm=3)", r"cosine\(\) has no argument 'warm'.*did you mean 'warmup'"),
    ("constant(steps=3)", "has no argument 'steps'"),  # config.steps says it
  ],
)
def test_a_wrong_schedule_is_one_line(text, said):
  with pytest.raises(UserError, match=said):
    make_schedule(text, LR, STEPS, EPOCH)


def fixed(rate):
  return lambda step: jnp.asarray(rate)


def draw(seed, *shape):
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def tree(seed=0):
  """A matrix, stacked matrices with heads, an embedding, and vectors."""
  return {
    "embed_VD": draw(seed, 6, 8),
    "layers_L": {
      "q_DHK": draw(seed + 1, 3, 8, 2, 4),
      "out_HKD": draw(seed + 2, 3, 2, 4, 8),
      "scale_D": draw(seed + 3, 3, 8),
      "bias_GF": draw(seed + 4, 3, 4, 8),
    },
    "in_DF": draw(seed + 5, 8, 16),
    "norm": {"scale_D": draw(seed + 6, 8)},
  }


def updates(text, params=None, grads=None, rate=1.0, steps=1, **options):
  """The updates of the last of some steps with the same gradient, by path."""
  params = tree() if params is None else params
  grads = tree(10) if grads is None else grads
  optimizer = make_optimizer(text, fixed(rate), **options)
  state = optimizer.init(params)
  for _ in range(steps):
    change, state = optimizer.update(grads, state, params, jnp.int32(0))
  return by_path(change)


@pytest.mark.parametrize("text", [*(f"{name}()" for name in OPTIMIZERS), "sgd(momentum=0.9)"])
def test_every_optimizer_learns_a_regression(text):
  """Least squares through a product of two matrices; the loss falls to a tenth."""
  x, wanted = draw(0, 32, 8), draw(1, 32, 4)
  params = {"in_DF": 0.5 * draw(2, 8, 16), "out_FD": 0.5 * draw(3, 16, 4), "bias_D": jnp.zeros(4)}
  rate = {"sgd()": 0.05, "adafactor()": 0.05, "lion()": 0.01, "sgd(momentum=0.9)": 0.01}
  rate["adadelta()"] = 10.0  # its steps begin at 0.001
  optimizer = make_optimizer(text, fixed(rate.get(text, 0.02)), clip=10.0)

  def loss(p):
    return jnp.mean(jnp.square(x @ p["in_DF"] @ p["out_FD"] + p["bias_D"] - wanted))

  @jax.jit
  def step(params, state):
    value, grads = jax.value_and_grad(loss)(params)
    change, state = optimizer.update(grads, state, params, jnp.int32(0))
    return optax.apply_updates(params, change), state, value

  state, values = optimizer.init(params), []
  for _ in range(100):
    params, state, value = step(params, state)
    values.append(float(value))
  # 8 of 32 dimensions can be fitted: what least squares leaves is the floor.
  ones = np.concatenate([x, np.ones((32, 1))], 1)
  floor = float(np.mean((wanted - ones @ np.linalg.lstsq(ones, wanted, rcond=None)[0]) ** 2))
  assert values[-1] - floor < 0.1 * (values[0] - floor), (values[0], values[-1], floor)


def test_adamw_is_optax_adamw():
  params, grads = tree(), tree(10)
  mask = {
    "embed_VD": True,
    "layers_L": {"q_DHK": True, "out_HKD": True, "scale_D": False, "bias_GF": False},
    "in_DF": True,
    "norm": {"scale_D": False},
  }
  theirs = optax.adamw(3e-3, b1=0.8, b2=0.9, eps=1e-7, weight_decay=0.1, mask=mask)
  state = theirs.init(params)
  for _ in range(3):
    wanted, state = theirs.update(grads, state, params)
  found = updates("adamw(b1=0.8, b2=0.9, eps=1e-7)", rate=3e-3, decay=0.1, steps=3)
  for path, leaf in by_path(wanted).items():
    np.testing.assert_allclose(found[path], leaf, rtol=1e-5, err_msg=path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_is_of_matrices_alone_and_decoupled(name):
  """It adds -rate * decay * parameter to the update, whatever the gradient."""
  params = tree()
  plain = updates(f"{name}()", rate=0.1)
  decayed = updates(f"{name}()", rate=0.1, decay=0.3)
  for path, leaf in by_path(params).items():
    matrix = "scale" not in path and "bias" not in path
    change = -0.1 * 0.3 * leaf if matrix else jnp.zeros_like(leaf)
    np.testing.assert_allclose(decayed[path] - plain[path], change, atol=1e-6, err_msg=path)


def test_decay_of_a_selector():
  plain, decayed = updates("sgd()"), updates("sgd()", decay=0.5, decay_of="norm")
  moved = {name for name in plain if not jnp.array_equal(plain[name], decayed[name])}
  assert moved == {"norm/scale_D"}


def test_rates_by_letters_and_by_pattern_first_match_wins():
  rates = (("V", 0.5), ("layers_L/(q|out)_", 2.0), ("D", 0.25))
  plain = updates("adamw()", decay=0.1)
  scaled = updates("adamw()", decay=0.1, rates=rates)
  factors = {
    "embed_VD": 0.5,
    "in_DF": 0.25,
    "layers_L/bias_GF": 1.0,
    "layers_L/out_HKD": 2.0,
    "layers_L/q_DHK": 2.0,
    "layers_L/scale_D": 0.25,
    "norm/scale_D": 0.25,
  }
  assert factors.keys() == plain.keys()
  for path, factor in factors.items():
    np.testing.assert_allclose(scaled[path], factor * plain[path], rtol=1e-6, err_msg=path)


@pytest.mark.parametrize(
  ("selector", "name", "picks"),
  [
    ("V", "embed_VD", True),
    ("VD", "embed_VD", True),
    ("VF", "embed_VD", False),
    ("L", "layers_L/q_DHK", True),
    ("embed", "embed_VD", True),
    ("norm/scale", "layers_L/mixer_norm/scale_D", True),
    ("^norm", "layers_L/mixer_norm/scale_D", False),
    (".*", "time", True),
  ],
)
def test_selectors(selector, name, picks):
  assert selects(selector, name) is picks


def test_a_selector_that_is_nothing_is_one_line():
  with pytest.raises(UserError, match=r"config.rates='layers\(' is neither axis letters nor"):
    updates("adamw()", rates=(("layers(", 2.0),))


def test_clipping_is_by_the_norm_of_all_that_moves():
  grads = tree(10)
  norm = float(optax.tree.norm(grads))
  for clip in (norm / 4, norm * 4):
    found = updates("sgd()", clip=clip)
    for path, leaf in by_path(grads).items():
      np.testing.assert_allclose(found[path], -leaf * min(clip / norm, 1), rtol=1e-5)
  # A frozen leaf has no say in how far the others go.
  rest = {p: g for p, g in by_path(grads).items() if p != "embed_VD"}
  norm = float(optax.tree.norm(rest))
  found = updates("sgd()", clip=norm / 4, freeze="embed")
  assert not np.any(found["embed_VD"])
  for path, leaf in rest.items():
    np.testing.assert_allclose(found[path], -leaf / 4, rtol=1e-5)


def test_muon_treats_stacked_matrices_as_separate_ones():
  """Summed axes against free ones, layer by layer: D x HK for q, HK x D for out."""
  stacked = updates("muon()")
  for layer in range(3):
    for name, shape in (("q_DHK", (8, 2, 4)), ("out_HKD", (2, 4, 8))):
      pick = lambda leaves, layer=layer, name=name: {name: leaves["layers_L"][name][layer]}  # noqa: E731
      alone = updates("muon()", pick(tree()), pick(tree(10)))[name]
      assert alone.shape == shape
      np.testing.assert_allclose(stacked[f"layers_L/{name}"][layer], alone, atol=2e-6)


def test_muon_orthogonalises():
  """Singular values near one, times 0.2 sqrt(max side): the update's RMS is Adam's (2502.16982)."""
  left, _, right = np.linalg.svd(np.asarray(draw(0, 8, 16)), full_matrices=False)
  sizes = np.geomspace(1, 0.1, 8, dtype=np.float32)  # singular values a factor of ten apart
  square = left * sizes @ left.T
  grads = {
    "in_DF": jnp.asarray(left * sizes @ right),
    "q_DHK": jnp.asarray(square.reshape(8, 2, 4)),
  }
  found = updates("muon()", grads, grads)
  for name, side in (("in_DF", 16), ("q_DHK", 8)):
    matrix = np.asarray(found[name]).reshape(8, -1)
    values = np.linalg.svd(matrix, compute_uv=False) / (0.2 * math.sqrt(side))
    assert values.min() > 0.6 and values.max() < 1.3, values
    assert np.sum(matrix * np.asarray(grads[name]).reshape(8, -1)) < 0  # downhill
  assert np.sqrt(np.mean(np.square(found["in_DF"]))) == pytest.approx(0.2, rel=0.2)


def test_muon_gives_embeddings_and_vectors_to_adam():
  """Of the same sign everywhere and of one size, as Adam's first step is."""
  muon, grads = updates("muon()"), by_path(tree(10))
  for path, leaf in muon.items():
    ratio = np.abs(leaf) / np.abs(leaf).max()
    to_adam = path not in ("in_DF", "layers_L/q_DHK", "layers_L/out_HKD")
    assert np.allclose(ratio, 1, rtol=1e-3) is to_adam, path
    assert np.array_equal(np.sign(leaf), -np.sign(grads[path])) is to_adam, path
