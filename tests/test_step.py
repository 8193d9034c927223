"""The training step: what accumulation, many steps a dispatch, players, averages and keys owe."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn

from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.mixers import MIXERS
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel
from seqlab.optim import make_optimizer
from seqlab.spec import make, parse
from seqlab.step import init_state, make_eval_step, make_train_step, many_steps

ROWS, LENGTH, VOCAB = 8, 6, 16


class Drawn(LanguageModel):
  def init(self, key, batch):
    return drawn(super().init, batch, scale=0.5)


def language_model(mixer="min_gru()", dropout=0.0, **options):
  layers = tuple(Layer(make(call, MIXERS), None, "rms", dropout) for call in parse(mixer))
  decoder = Decoder(vocab=VOCAB, width=8, depth=len(layers), layers=layers, dropout=dropout)
  return Drawn(Network(decoder), **options)


def batches(count, rows=ROWS, seed=0):
  """Stacked batches of packed documents whose rows weigh differently, one of them nothing."""
  draw = np.random.default_rng(seed)
  tokens = draw.integers(0, VOCAB, (count, rows, LENGTH + 1)).astype(np.int32)
  weight = draw.random((count, rows, LENGTH)) < np.linspace(0, 1, rows)[:, None]
  return dict(
    tokens_BT=tokens[..., :-1],
    labels_BT=tokens[..., 1:],
    pos_BT=np.broadcast_to(np.array([0, 1, 2, 0, 1, 2], np.int32), tokens[..., :-1].shape),
    weight_BT=weight.astype(np.float32),
  )


def at(steps, i):
  return {name: rows[i] for name, rows in steps.items()}


def optimizers_of(objective, text="adamw()", lr=1e-2, **options):
  one = make_optimizer(text, lambda step: jnp.asarray(lr), **options)
  return {player: one for player in objective.players}


def start(objective, optimizers, given, rows=ROWS, ema=0.0):
  return init_state(objective, optimizers, jax.random.key(0), given, rows, ema)


def run(objective, steps=2, lr=1e-2, optimizer="adamw()", ema=0.0, accumulate=1):
  """The states after 0, 1, 2 ... steps, one dispatch each, and the metrics of each."""
  optimizers = optimizers_of(objective, optimizer, lr)
  given = batches(steps)
  states, found = [start(objective, optimizers, at(given, 0), ema=ema)], []
  step = jax.jit(make_train_step(objective, optimizers, 0, accumulate=accumulate, ema=ema))
  for i in range(steps):
    state, metrics = step(states[-1], at(given, i))
    states, found = [*states, state], [*found, metrics]
  return states, found


def same(a, b):
  a, b = by_path(a), by_path(b)
  assert a.keys() == b.keys() and a
  for path in a:
    np.testing.assert_array_equal(a[path], b[path], err_msg=path)


def close(a, b, tolerance=2e-6):
  a, b = by_path(a), by_path(b)
  assert a.keys() == b.keys() and a
  for path in a:
    np.testing.assert_allclose(a[path], b[path], atol=tolerance, rtol=tolerance, err_msg=path)


def moved(a, b):
  """Paths of leaves that differ."""
  a, b = by_path(a), by_path(b)
  return {path for path in a if not np.array_equal(a[path], b[path])}


# Plain gradient descent shows the gradient itself; Adam would hide a factor.
SMOOTH = language_model(z_loss=1e-2)
CARRIED = language_model("attention(heads=2) | lstm()", carry=True, memory=LENGTH * 2)
MEMBERS = language_model("gru() | lstm() | min_gru() | rnn()")


@functools.cache
def large_batch(objective):
  return run(objective, lr=1.0, optimizer="sgd()")


@pytest.mark.parametrize(
  ("objective", "parts"),
  [(SMOOTH, 2), (SMOOTH, 4), (CARRIED, 2), (MEMBERS, 2)],
  ids=["2", "4", "2-carried", "2-recurrent"],
)
def test_accumulation_equals_the_large_batch(objective, parts):
  """Rows weigh differently, so that a mean over microbatches would not do."""
  states, whole_metrics = large_batch(objective)
  whole, before = states[2], states[1]
  states, cut_metrics = run(objective, lr=1.0, optimizer="sgd()", accumulate=parts)
  cut = states[2]
  close(cut["params"], whole["params"])
  assert moved(cut["params"], before["params"]) == set(by_path(whole["params"]))
  close(cut_metrics, whole_metrics, 1e-5)
  if objective is CARRIED:
    close(cut["extra"]["carry"], whole["extra"]["carry"])
    (time,) = [v for k, v in by_path(cut["extra"]).items() if k.endswith("/time")]
    np.testing.assert_array_equal(time, [2 * LENGTH])  # once a step, not once a microbatch


def test_gradients_weigh_tokens_and_not_rows():
  """A batch of one heavy row and padding has the gradient of the heavy row alone."""
  descend = optimizers_of(SMOOTH, "sgd()", 1.0)
  given = at(batches(1), 0)
  given["weight_BT"] = np.zeros((ROWS, LENGTH), np.float32)
  given["weight_BT"][3] = 1
  alone = {name: np.repeat(rows[3:4], ROWS, 0) for name, rows in given.items()}
  state = start(SMOOTH, descend, given)
  for parts in (1, 4):
    step = jax.jit(make_train_step(SMOOTH, descend, 0, accumulate=parts))
    close(step(state, given)[0]["params"], step(state, alone)[0]["params"])


def test_many_steps_in_a_dispatch_are_bitwise_the_same_run():
  objective = language_model(dropout=0.2)
  optimizers = optimizers_of(objective, clip=1.0, decay=0.1)
  given = batches(4)
  first = start(objective, optimizers, at(given, 0), ema=0.9)
  dispatch = jax.jit(many_steps(make_train_step(objective, optimizers, seed=1, ema=0.9)))
  together, metrics = dispatch(first, given)
  for pieces in ((1, 1, 1, 1), (3, 1)):
    state, found, done = first, [], 0
    for size in pieces:
      piece = {name: rows[done : done + size] for name, rows in given.items()}
      state, some = dispatch(state, piece)
      found, done = [*found, some], done + size
    same(state, together)
    same(jax.tree.map(lambda *m: np.concatenate(m), *found), metrics)
  assert metrics["loss"][0].shape == (4,) and int(together["step"]) == 4


class Game:
  """Two critic turns, then the generator's: bilinear losses whose gradients are known by hand."""

  players = ("critic", "critic", "generator")

  def init(self, key, batch):
    return {"critic": {"c_D": jnp.array([1.0, 2.0])}, "generator": {"g_D": jnp.array([3.0, -1.0])}}

  def init_extra(self, batch_size):
    return {"plays": jnp.zeros(())}

  def loss(self, player, params, batch, key, extra):
    c_D, g_D = params["critic"]["c_D"], params["generator"]["g_D"]
    sign = {"critic": 1.0, "generator": -1.0}[player]
    scalar = sign * jnp.sum(c_D * g_D) * jnp.mean(batch["weight_B"])
    return scalar, {"loss": (scalar, jnp.ones(()))}, {"plays": extra["plays"] + 1}


def test_each_player_moves_itself_alone_in_turn():
  """c1 = c - g, c2 = c1 - g, then the generator sees c2: g1 = g + c2."""
  game = Game()
  optimizers = optimizers_of(game, "sgd()", 1.0)
  batch = {"weight_B": np.ones(4, np.float32)}
  state = start(game, optimizers, batch, 4)
  state, metrics = jax.jit(make_train_step(game, optimizers, 0))(state, batch)
  c, g = np.array([1.0, 2.0]), np.array([3.0, -1.0])
  np.testing.assert_array_equal(state["params"]["critic"]["c_D"], c - 2 * g)
  np.testing.assert_array_equal(state["params"]["generator"]["g_D"], g + (c - 2 * g))
  assert float(state["extra"]["plays"]) == 3 and int(state["step"]) == 1
  assert float(metrics["generator/loss"][0]) == -np.sum((c - 2 * g) * g)
  total, turns = map(float, metrics["critic/loss"])
  assert (total, turns) == (np.sum(c * g) + np.sum((c - g) * g), 2)


def test_the_rate_follows_the_step_not_the_turns():
  """A player that plays twice, and one whose step was skipped, are still where the schedule is."""
  game = Game()
  one = make_optimizer("adamw()", lambda step: 1.0 * (step + 1))
  batch = {"weight_B": np.ones(4, np.float32)}
  state = start(game, dict.fromkeys(game.players, one), batch, 4)
  step = jax.jit(make_train_step(game, dict.fromkeys(game.players, one), 0, skip_nonfinite=True))
  for i in range(3):
    given = {"weight_B": np.full(4, np.nan if i == 1 else 1.0, np.float32)}
    state, metrics = step(state, given)
    if i != 1:
      rates = {name: float(metrics[f"{name}/lr"][0]) for name in ("critic", "generator")}
      assert rates == dict(critic=2 * (i + 1), generator=i + 1)  # of two turns, and of one


def test_evaluation_is_the_last_players():
  game = Game()
  batch = {"weight_B": np.ones(4, np.float32)}
  params = game.init(jax.random.key(0), batch)
  metrics, extra = make_eval_step(game)(params, batch, game.init_extra(4))
  assert float(metrics["loss"][0]) == -1.0 and float(extra["plays"]) == 1


def test_the_average_of_parameters():
  objective, decay = SMOOTH, 0.75
  states, _ = run(objective, ema=decay)
  wanted = states[0]["params"]
  same(states[0]["extra"]["ema"], wanted)
  for state in states[1:]:
    wanted = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, wanted, state["params"])
    close(state["extra"]["ema"], wanted)
  assert moved(state["extra"]["ema"], state["params"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_is_not_finite_leaves_everything_as_it_was(accumulate):
  objective = language_model(carry=True)
  optimizers = optimizers_of(objective, clip=1.0, decay=0.1)
  given = at(batches(1), 0)
  options = dict(accumulate=accumulate, skip_nonfinite=True)
  step = jax.jit(make_train_step(objective, optimizers, 0, **options))
  fresh = start(objective, optimizers, given)
  before, metrics = step(fresh, given)  # so that no moment is zero
  assert float(metrics["skipped"][0]) == 0
  bad = {**given, "weight_BT": given["weight_BT"].copy()}
  bad["weight_BT"][5, 2] = np.nan
  after, metrics = step(before, bad)
  same({**after, "step": 0}, {**before, "step": 0})
  assert int(after["step"]) == int(before["step"]) + 1  # the data and the keys go on
  assert float(metrics["skipped"][0]) == 1
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(metrics))
  assert moved(step(after, given)[0]["params"], before["params"])  # and the run goes on

  plain = jax.jit(make_train_step(objective, optimizers, 0, accumulate=accumulate))
  assert not all(np.isfinite(x).all() for x in jax.tree.leaves(plain(before, bad)[0]["params"]))


def test_dropout_keys_differ_by_step_and_seed_and_come_again():
  objective = language_model(dropout=0.5)
  optimizers = optimizers_of(objective, "sgd()", 0.0)  # nothing moves but the keys
  given = at(batches(1), 0)
  state = start(objective, optimizers, given)
  step = jax.jit(make_train_step(objective, optimizers, seed=0))
  other = jax.jit(make_train_step(objective, optimizers, seed=1))

  def loss(step, state):
    return float(step(state, given)[1]["loss"][0])

  later = step(state, given)[0]
  losses = [loss(step, state), loss(step, later), loss(other, state)]
  assert len(set(losses)) == 3
  assert losses == [loss(step, state), loss(step, later), loss(other, state)]


def test_microbatches_drop_different_units():
  objective = language_model(dropout=0.5)
  optimizers = optimizers_of(objective, "sgd()", 0.0)
  row = {name: np.repeat(rows[7:8], 2, 0) for name, rows in at(batches(1), 0).items()}
  state = start(objective, optimizers, row, 2)
  losses = []
  for keep in (0, 1):  # the loss of one microbatch alone: the other's row weighs nothing
    one = {**row, "weight_BT": row["weight_BT"] * (np.arange(2) == keep)[:, None]}
    step = jax.jit(make_train_step(objective, optimizers, 0, accumulate=2))
    losses.append(float(step(state, one)[1]["loss"][0]))
  assert losses[0] != losses[1]


def test_evaluation_drops_nothing_and_moves_nothing():
  objective = language_model(dropout=0.5)
  given = at(batches(1), 0)
  params = objective.init(jax.random.key(0), given)
  evaluate = jax.jit(make_eval_step(objective))
  without = jax.jit(make_eval_step(language_model()))
  same(evaluate(params, given, {}), without(params, given, {}))


FROZEN = language_model("min_gru() | min_gru()")


@pytest.mark.parametrize("optimizer", ["adamw()", "muon()"])
def test_frozen_leaves_do_not_move_and_hold_no_optimizer_state(optimizer):
  objective, selector = FROZEN, "block0/mixer/|embed"
  given = at(batches(1), 0)
  optimizers = optimizers_of(objective, optimizer, clip=1.0, decay=0.1, freeze=selector)
  state = start(objective, optimizers, given)
  step = jax.jit(make_train_step(objective, optimizers, 0))
  after = step(state, given)[0]
  paths = set(by_path(state["params"]["model"]))
  frozen = {p for p in paths if "block0/mixer/" in p or "embed" in p}
  assert len(frozen) == 3  # the table, and the mixer's weight and bias
  assert moved(after["params"]["model"], state["params"]["model"]) == paths - frozen
  held = {p for p in paths if any(o.endswith(f"/{p}") for o in by_path(state["opt"]))}
  assert held == paths - frozen
  assert optimizers["model"].moving(state["params"]["model"]).keys() == paths - frozen


@pytest.mark.parametrize("spec", ["lstm() | attention(heads=2)", "min_gru()"])
def test_windows_with_carried_state_equal_one_long_window(spec):
  """Lanes of three windows: the losses add up to those of the whole, token for token."""
  windows = 3
  carried = language_model(spec, carry=True, memory=windows * LENGTH)
  whole = language_model(spec)
  draw = np.random.default_rng(1)
  tokens = draw.integers(0, VOCAB, (2, windows * LENGTH + 1)).astype(np.int32)
  long = dict(
    tokens_BT=tokens[:, :-1],
    labels_BT=tokens[:, 1:],
    # A document that ends inside the second window of one lane, none in the other.
    pos_BT=np.stack([np.r_[0:8, 0:10], np.r_[0:18]]).astype(np.int32),
    weight_BT=np.ones((2, windows * LENGTH), np.float32),
  )
  params = whole.init(jax.random.key(0), long)
  alone = jax.jit(make_eval_step(whole))
  wanted = alone(params, long, {})[0]["loss"]

  # By the training step, with nothing that moves: its init must give the same parameters.
  optimizers = optimizers_of(carried, "sgd()", 0.0)
  state = start(carried, optimizers, long, 2)
  step = jax.jit(make_train_step(carried, optimizers, 0))
  total, cold = 0.0, 0.0
  for i in range(windows):
    piece = {name: rows[:, i * LENGTH : (i + 1) * LENGTH] for name, rows in long.items()}
    cold += float(alone(params, piece, {})[0]["loss"][0])
    state, metrics = step(state, piece)
    total += float(metrics["loss"][0])
  assert total == pytest.approx(float(wanted[0]), rel=1e-5)
  assert cold != pytest.approx(float(wanted[0]), rel=1e-5)  # without the state it is another number


def test_no_gradient_flows_into_the_window_before():
  """Truncated: a loss of this window has no slope in the carried state that it reports on."""
  objective = CARRIED
  given = at(batches(1), 0)
  params = objective.init(jax.random.key(0), given)
  extra = objective.init_extra(ROWS)

  def after(params):
    carry = objective.loss("model", params, given, None, extra)[2]["carry"]
    return sum(jnp.sum(x) for x in jax.tree.leaves(carry) if x.dtype == jnp.float32)

  assert not any(np.any(g) for g in jax.tree.leaves(jax.jit(jax.grad(after))(params)))
