"""Layers whose state decays by numbers that the state has no part in, and the scans of their
authors, in scripts/bench.py: outputs and all gradients. Makers as in bench_seqlab.py.
"""

import jax
import jax.numpy as jnp
import numpy as np


def _steps(loss, *given):
  """A maker's step: gradients of a loss to all that it is given."""
  run = jax.jit(jax.grad(loss, argnums=tuple(range(len(given)))))

  def step(n):
    for _ in range(n):
      made = run(*given)
    jax.block_until_ready(made)

  return step


def _drawn(*shape):
  return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


def layer(mixer, batch, length, width):
  """A mixer of seqlab's."""
  from seqlab.nn.mixers import MIXERS
  from seqlab.spec import make, parse_one

  made, x_BTD = make(parse_one(mixer), MIXERS), _drawn(batch, length, width)
  pos_BT = jnp.broadcast_to(jnp.arange(length), (batch, length))
  params = made.init(jax.random.key(0), x_BTD, pos_BT)
  return _steps(lambda p, x: jnp.sum(made.apply(p, x, pos_BT)[0] * x_BTD), params, x_BTD)


def s5_associative(batch, length, width, hidden):
  """S5 as its authors compute it: an associative scan of complex matrices, sequence by sequence."""
  x_BTD = _drawn(batch, length, width)
  b_FD, c_DF = (_drawn(*shape, 2) / width**0.5 for shape in ((hidden, width), (width, hidden)))
  decay_F, turn_F = jnp.linspace(-3, 0, hidden), jnp.linspace(0, 3, hidden)

  def joined(earlier, later):
    (a, x), (b, y) = earlier, later
    return b * a, b * x + y

  def loss(b_FD, c_DF, decay_F, turn_F, skip_D, x_BTD):
    rate_F = jax.lax.complex(-jnp.exp(decay_F), turn_F)
    b_FD, c_DF = (jax.lax.complex(m[..., 0], m[..., 1]) for m in (b_FD, c_DF))
    b_FD = ((jnp.exp(0.01 * rate_F) - 1) / rate_F)[:, None] * b_FD

    def one(x_TD):
      a_TF = jnp.exp(0.01 * rate_F) * jnp.ones((length, hidden))
      _, h_TF = jax.lax.associative_scan(joined, (a_TF, x_TD @ b_FD.T))
      return 2 * (h_TF @ c_DF.T).real + skip_D * x_TD

    return jnp.sum(jax.vmap(one)(x_BTD) * x_BTD)

  return _steps(loss, b_FD, c_DF, decay_F, turn_F, jnp.ones(width), x_BTD)


def recurrence(form, batch, length, width):
  """h_t = a_t h_{t-1} + x_t: as recurrentgemma's native scan, or seqlab's op."""
  from seqlab.ops.linear_recurrence import linear_recurrence

  a_BTF, x_BTF = jax.nn.sigmoid(_drawn(batch, length, width)), _drawn(batch, length, width)

  def native(a_BTF, x_BTF, h_BF):
    def one(h_F, a_TF, x_TF):
      def step(h_F, now):
        a_F, x_F = now
        h_F = a_F * h_F + x_F
        return h_F, h_F

      return jax.lax.scan(step, h_F, (a_TF, x_TF))[1]

    return jax.vmap(one)(h_BF, a_BTF, x_BTF)

  op = native if form == "native" else linear_recurrence
  start = a_BTF, x_BTF, jnp.zeros((batch, width))
  return _steps(lambda *given: jnp.sum(op(*given) * x_BTF), *start)
