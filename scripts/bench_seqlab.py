"""What seqlab runs in scripts/bench.py: each maker returns step(n), which returns when n steps are
done. jax is imported inside the makers, after the allocator is set.
"""

import functools


def _network(depth, heads, width, length, vocab, dtype="float32"):
  from seqlab import config, networks

  values = config.load("", [
    f"model.mixer=attention(heads={heads}, positions='none')", "model.norm=layer",
    "model.mlp=plain()", f"model.width={width}", f"model.depth={depth}", f"length={length}",
    f"model.dtype={dtype}", "model.learned_positions=True",
  ])  # fmt: skip
  return networks.make_network(values, networks.Ends(vocab))


def gpt(depth, heads, width, length, batch, vocab, dtype="float32", inner=1):
  """The train step that `seqlab train` dispatches, on nanoGPT's model and random tokens."""
  import jax
  import numpy as np

  from seqlab import optim
  from seqlab.objectives.language_model import LanguageModel
  from seqlab.step import init_state, make_train_step, many_steps

  objective = LanguageModel(_network(depth, heads, width, length, vocab, dtype))
  schedule = optim.make_schedule("constant()", 1e-3, 1000, 1000)
  optimizers = {
    "model": optim.make_optimizer("adamw(b1=0.9, b2=0.99)", schedule, clip=1.0, decay=0.1)
  }
  tokens = np.random.default_rng(0).integers(0, vocab, (inner, batch, length + 1), np.int32)
  batches = dict(
    tokens_BT=tokens[..., :-1],
    labels_BT=tokens[..., 1:],
    pos_BT=np.broadcast_to(np.arange(length, dtype=np.int32), (inner, batch, length)),
    weight_BT=np.ones((inner, batch, length), np.float32),
  )
  one = {name: rows[0] for name, rows in batches.items()}
  state = init_state(objective, optimizers, jax.random.key(0), one, batch)
  dispatch = jax.jit(many_steps(make_train_step(objective, optimizers, 0)), donate_argnums=0)

  def step(n):
    nonlocal state
    for _ in range(-(-n // inner)):
      state, metrics = dispatch(state, batches)
    jax.block_until_ready(metrics)
    return -(-n // inner) * inner

  return step


def recurrent(cell, width, length, batch):
  """A train step of one recurrent mixer under a mean-square loss."""
  import jax
  import jax.numpy as jnp
  import numpy as np
  import optax

  from seqlab import optim
  from seqlab.nn.mixers import MIXERS

  mixer = MIXERS[cell]()
  x_BTD, y_BTD = jnp.asarray(
    np.random.default_rng(0).normal(size=(2, batch, length, width)), jnp.float32
  )
  pos_BT = jnp.broadcast_to(jnp.arange(length), (batch, length))
  params = mixer.init(jax.random.key(0), x_BTD, pos_BT)["params"]
  schedule = optim.make_schedule("constant()", 1e-3, 1000, 1000)
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
