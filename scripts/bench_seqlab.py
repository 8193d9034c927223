"""What seqlab runs in scripts/bench.py: each maker returns step(n), which returns when n steps are
done. jax is imported inside the makers, after the allocator is set.
"""

import functools


def _network(depth, heads, width, length, vocab, dtype="float32", overrides=()):
  from seqlab import config, networks

  values = config.load("", [
    f"model.mixer=attention(heads={heads}, positions='none')", "model.norm=layer",
    "model.mlp=plain()", f"model.width={width}", f"model.depth={depth}", f"length={length}",
    f"model.dtype={dtype}", "model.learned_positions=True", *overrides,
  ])  # fmt: skip
  return networks.make_network(values, networks.Ends(vocab))


def trained(objective, batches):
  """The train step that `seqlab train` dispatches, on batches stacked on a leading axis."""
  import jax

  from seqlab import optim, schedules
  from seqlab.step import init_state, make_train_step, many_steps

  schedule = schedules.make_schedule("constant()", 1e-3, 1000, 1000)
  optimizers = {
    "model": optim.make_optimizer("adamw(b1=0.9, b2=0.99)", schedule, clip=1.0, decay=0.1)
  }
  one = {name: rows[0] for name, rows in batches.items()}
  inner, rows = batches["tokens_BT"].shape[:2]
  state = init_state(objective, optimizers, jax.random.key(0), one, rows)
  dispatch = jax.jit(many_steps(make_train_step(objective, optimizers, 0)), donate_argnums=0)

  def step(n):
    nonlocal state
    for _ in range(-(-n // inner)):
      state, metrics = dispatch(state, batches)
    jax.block_until_ready(metrics)
    return -(-n // inner) * inner

  return step


def rows_of(batch, length, vocab, inner=1):
  """Random tokens without padding."""
  import numpy as np

  tokens = np.random.default_rng(0).integers(0, vocab, (inner, batch, length + 1), np.int32)
  return dict(
    tokens_BT=tokens[..., :-1],
    labels_BT=tokens[..., 1:],
    pos_BT=np.broadcast_to(np.arange(length, dtype=np.int32), (inner, batch, length)),
    weight_BT=np.ones((inner, batch, length), np.float32),
  )


def gpt(depth, heads, width, length, batch, vocab, dtype="float32", inner=1):
  """A train step on nanoGPT's model and random tokens."""
  from seqlab.objectives.language_model import LanguageModel

  objective = LanguageModel(_network(depth, heads, width, length, vocab, dtype))
  return trained(objective, rows_of(batch, length, vocab, inner))


def masked(depth, heads, width, length, batch, vocab, dtype="float32"):
  """A train step of masked language modelling: 15 % of random tokens hidden and told."""
  from seqlab.objectives.masked_language_model import MaskedLanguageModel

  network = _network(depth, heads, width, length, vocab, dtype, ["model.name=encoder()"])
  return trained(MaskedLanguageModel(network, vocab, 0, 1), rows_of(batch, length, vocab))


def _translator(depth, heads, width, length, vocab):
  own = ["model.name=encoder_decoder()", "model.mlp=plain(ratio=2.0, activation='relu')"]
  own += ["model.tied=False", "model.dropout=0.1"]
  return _network(depth, heads, width, length, vocab, overrides=own)


def _sources(batch, length, vocab):
  import numpy as np

  source_BS = np.random.default_rng(1).integers(2, vocab, (batch, length), np.int32)
  pos_BS = np.broadcast_to(np.arange(length, dtype=np.int32), source_BS.shape)
  return source_BS, pos_BS, np.zeros_like(source_BS)


def translation(depth, heads, width, length, batch, vocab):
  """A train step of Multi30k's Transformer on random pairs without padding."""
  import numpy as np

  from seqlab.objectives.sequence_to_sequence import SequenceToSequence

  objective = SequenceToSequence(_translator(depth, heads, width, length, vocab))
  rows = rows_of(batch, length, vocab)
  rows["pair_BT"] = np.zeros_like(rows["tokens_BT"])
  names = ("source_BS", "source_pos_BS", "source_pair_BS")
  source = zip(names, _sources(batch, length, vocab), strict=True)
  return trained(objective, rows | {name: x[None] for name, x in source})


def _to_write(depth, heads, width, length, batch, vocab):
  """A translator, its parameters and sources."""
  import jax
  import numpy as np

  network, source = (
    _translator(depth, heads, width, length, vocab), _sources(batch, length, vocab)
  )  # fmt: skip
  zeros = np.zeros((batch, 1), np.int32)
  return network, network.init(jax.random.key(0), zeros, zeros, None, zeros, source), source


def beam(depth, heads, width, length, batch, vocab, beams):
  """Beam search by what `seqlab generate` runs; no text ends before `length` tokens."""
  import jax
  import numpy as np

  from seqlab.beam import Beam

  network, params, source = _to_write(depth, heads, width, length, batch, vocab)
  search = Beam(network, eot=-1, ids=vocab, beams=beams, penalty=0.0)
  free_BT = np.full((batch, length), -1, np.int32)

  def step(n):
    for _ in range(n):
      jax.block_until_ready(search(params, free_BT, source))

  return step


def beam_loop(depth, heads, width, length, batch, vocab, beams):
  """The same search as a Python loop over steps: the network's call is jitted, with its cache, and
  what stands around it is not.
  """
  import jax
  import jax.numpy as jnp

  network, params, source = _to_write(depth, heads, width, length, batch, vocab)
  params, state = network.unrolled(params), network.unrolled(network.init_state(batch, length))
  call = jax.jit(network)
  logits = jax.jit(functools.partial(network, method="logits"))

  def moved(state, rows):
    def leaf(path, x):
      return x if x.ndim == 0 or "cross" in jax.tree_util.keystr(path) else x[rows]

    return jax.tree_util.tree_map_with_path(leaf, state)

  def search():
    token_N1, time_N1 = (jnp.zeros((batch, 1), jnp.int32) for _ in range(2))
    x_NTD, after = call(params, token_N1, time_N1, state, time_N1, source)
    first = jnp.repeat(jnp.arange(batch), beams)
    after = jax.tree.map(lambda x: x[first] if x.ndim else x, after)
    logits_BKV = logits(params, x_NTD)[first].reshape(batch, beams, vocab)
    score_BK = jnp.full((batch, beams), -jnp.inf).at[:, 0].set(0.0)
    tokens_NT = jnp.zeros((batch * beams, 0), jnp.int32)
    for time in range(length):
      all_BN = (score_BK[..., None] + jax.nn.log_softmax(logits_BKV)).reshape(batch, -1)
      score_BK, index_BK = jax.lax.top_k(all_BN, beams)
      rows = (index_BK // vocab + jnp.arange(batch)[:, None] * beams).reshape(-1)
      token_N1 = (index_BK % vocab).reshape(-1, 1)
      tokens_NT = jnp.concatenate([tokens_NT[rows], token_N1], 1)
      pos_N1 = jnp.full_like(token_N1, time + 1)
      x_NTD, after = call(params, token_N1, pos_N1, moved(after, rows))
      logits_BKV = logits(params, x_NTD).reshape(batch, beams, vocab)
    jax.block_until_ready(tokens_NT)

  def step(n):
    for _ in range(n):
      search()

  return step


def recurrent(cell, width, length, batch):
  """A train step of one recurrent mixer under a mean-square loss."""
  import jax
  import jax.numpy as jnp
  import numpy as np
  import optax

  from seqlab import optim, schedules
  from seqlab.nn.mixers import MIXERS

  mixer = MIXERS[cell]()
  x_BTD, y_BTD = jnp.asarray(
    np.random.default_rng(0).normal(size=(2, batch, length, width)), jnp.float32
  )
  pos_BT = jnp.broadcast_to(jnp.arange(length), (batch, length))
  params = mixer.init(jax.random.key(0), x_BTD, pos_BT)["params"]
  schedule = schedules.make_schedule("constant()", 1e-3, 1000, 1000)
  optimizer = optim.make_optimizer("adamw()", schedule, clip=1.0, decay=0.1)

  def loss(params):
    return jnp.mean((mixer.apply({"params": params}, x_BTD, pos_BT)[0] - y_BTD) ** 2)

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def train(params, opt):
    value, grads = jax.value_and_grad(loss)(params)
    updates, opt = optimizer.update(grads, opt, params, jnp.int32(0))
    return optax.apply_updates(params, updates), opt, value

  state = params, optimizer.init(params)

  def step(n):
    nonlocal state
    for _ in range(n):
      *state, value = train(*state)
    value.block_until_ready()

  return step


def recurrence(batch, length, width, form):
  """Forward and backward of the linear recurrence."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from seqlab.ops import linear_recurrence as ops

  dh, a, b = jnp.asarray(
    np.random.default_rng(0).random(size=(3, batch, length, width)), jnp.float32
  )
  h = jnp.zeros((batch, width))
  op = (
    ops.linear_recurrence_naive
    if form == "naive"
    else functools.partial(ops.linear_recurrence, form=form)
  )

  @jax.jit
  def run(a, b, h, dh):
    y, back = jax.vjp(op, a, b, h)
    return y, back(dh)

  def step(n):
    for _ in range(n):
      made = run(a, b, h, dh)
    jax.block_until_ready(made)

  return step


def cross_entropy(rows, width, vocab, naive=False):
  """Loss and both gradients of a large-vocabulary head."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from seqlab.ops import cross_entropy as ops

  op = ops.chunked_cross_entropy_naive if naive else ops.chunked_cross_entropy
  random = np.random.default_rng(0)
  x_BTD = jnp.asarray(random.normal(size=(8, rows // 8, width)), jnp.float32)
  head_VD = jnp.asarray(0.02 * random.normal(size=(vocab, width)), jnp.float32)
  labels_BT = random.integers(0, vocab, x_BTD.shape[:2], np.int32)
  weight_BT = jnp.ones(x_BTD.shape[:2])
  run = jax.jit(jax.value_and_grad(lambda x, head: op(x, head, labels_BT, weight_BT)[0], (0, 1)))

  def step(n):
    for _ in range(n):
      made = run(x_BTD, head_VD)
    jax.block_until_ready(made)

  return step


def decode(depth, heads, width, length, batch, vocab):
  """Greedy decoding of `length` tokens by what `seqlab sample` runs."""
  import jax
  import numpy as np

  from seqlab.decode import Decoding, Draw

  network = _network(depth, heads, width, length + 1, vocab)
  zeros = np.zeros((batch, 1), np.int32)
  params = network.init(jax.random.key(0), zeros, zeros)
  decoding = Decoding(network, Draw(temperature=0.0), eot=-1, ids=vocab)

  def step(n):
    for _ in range(n):
      for _ in decoding(params, list(zeros), length):
        pass

  return step
