"""What scripts/bench_mixers.py runs: decoders of one mixer, trained and writing. Makers as in
bench_seqlab.py.
"""

import functools

from bench_seqlab import rows_of, trained


def _stack(mixer, depth, width=256, dtype="float32"):
  from seqlab import config

  own = [f"model.mixer={mixer}", f"model.depth={depth}", f"model.width={width}"]
  return config.load("", [*own, f"model.dtype={dtype}"])


def width_for(mixer, depth, parameters):
  """The width of a decoder of so many parameters."""
  from seqlab import sizing

  return sizing.width_for(_stack(mixer, depth), parameters)[0]


def mixer_train(mixer, depth, width, length, tokens, dtype):
  """A train step of a decoder on random bytes, `tokens` of them or one row."""
  from seqlab import networks
  from seqlab.objectives.language_model import LanguageModel

  network = networks.make_network(_stack(mixer, depth, width, dtype), networks.Ends(256))
  return trained(LanguageModel(network), rows_of(max(tokens // length, 1), length, 256))


def mixer_decode(mixer, depth, width, length, tokens, dtype, chunk=16):
  """A program by which one row writes `chunk` tokens with a state that `length` fit into: no time
  depends on what stands there.
  """
  import jax
  import jax.numpy as jnp

  from seqlab import networks

  network = networks.make_network(_stack(mixer, depth, width, dtype), networks.Ends(256))
  first_11, pos_11 = jnp.zeros((1, 1), jnp.int32), jnp.full((1, 1), length, jnp.int32)
  params = network.unrolled(network.init(jax.random.key(0), first_11, pos_11))

  @functools.partial(jax.jit, donate_argnums=1)
  def write(params, state):
    def one(carry, _):
      x_11D, state = network(params, carry[0], pos_11, carry[1])
      return (
        jnp.argmax(network(params, x_11D, method="logits"), -1).astype(jnp.int32),
        state,
      ), None

    return jax.lax.scan(one, (first_11, state), length=chunk)[0]

  state = network.unrolled(network.init_state(1, length))

  def step(n):
    nonlocal state
    for _ in range(n):
      token_11, state = write(params, state)
    token_11.block_until_ready()

  return step
