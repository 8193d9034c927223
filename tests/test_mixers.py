"""What is particular about a mixer: arguments that it refuses, numbers that the laws cannot see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from members import SPECS, mixer

from seqlab import axes
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.nn.mixers import MIXERS, Mixer
from seqlab.nn.mixers.base import remembers
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.mixers.s5 import hippo
from seqlab.ops.linear_attention import linear_attention
from seqlab.ops.mlstm import mlstm

BAD = {
  "attention(heads=3)": "heads=3 does not divide the width 16",
  "delta_net(heads=3)": "heads=3 does not divide the width 16",
  "delta_net(key_width=-3)": "key_width=-3",
  "delta_net(conv=0)": "conv=0 must be positive",
  "differential_attention(heads=3)": "heads=3 does not divide half the width 8",
  "differential_attention(heads=8)": "not even for rope",
  "gated_delta_net(value_width=-2)": "value_width=-2",
  "gla(key_width=-3)": "key_width=-3",
  "gla(rank=0)": "rank=0 must be positive",
  "hyena(length=0)": "length=0",
  "linear_attention(feature='relu')": "choose from elu, taylor",
  "linear_attention(key_width=-3)": "key_width=-3",
  "lru(low=0.9, high=0.5)": "0 <= low < high < 1",
  "lstm(hidden=-1)": "hidden=-1",
  "mamba(rank=-1)": "rank=-1",
  "mamba2(heads=5)": "heads=5 does not divide 2 times the width, 32",
  "mla(latent=-1)": "latent=-1",
  "mla(rope_width=3)": "rope_width=3 must be even",
  "mlstm(expand=0)": "expand=0",
  "qrnn(size=0)": "size=0",
  "retention(heads=16)": "rope",
  "rg_lru(hidden=6)": "heads=4 does not divide the hidden width 6",
  "rwkv7(rank=-2)": "rank=-2",
  "s4d(slowest=0.2)": "0 < slowest <= fastest",
  "s5(slowest=0.2)": "0 < slowest <= fastest",
  "s5(blocks=3)": "blocks=3 does not divide hidden=8",
  "short_conv(size=0)": "size=0",
  "slstm(conv=-1)": "conv=-1",
  "tcn(dilations=(1, 0))": "dilations=(1, 0)",
  "parallel(left='gla(rank=0)')": "rank=0",
  "attention(positions='alibi', rope_scale=2.0)": "rope_scale=2.0: positions='alibi' have none",
  "lstm(forget_bias=1e400)": "forget_bias=inf must be finite",
}


@pytest.mark.parametrize("spec", BAD)
def test_what_a_mixer_refuses(spec):
  with pytest.raises(UserError) as error:
    mixer(spec).check(16)
  assert BAD[spec] in str(error.value)


@pytest.mark.parametrize("spec", ["lru(low=0.0)", "lru(low=0.0, high=0.0001)"])
def test_a_ring_down_to_its_middle_starts_at_finite_numbers_inside(spec):
  x_BTD, pos_BT = jnp.zeros((1, 3, 512)), jnp.zeros((1, 3), jnp.int32)
  nu_F = jax.jit(mixer(spec).init)(jax.random.key(0), x_BTD, pos_BT)["params"]["nu_F"]
  radius_F = np.exp(-np.exp(nu_F))
  assert np.isfinite(nu_F).all() and (radius_F < mixer(spec).high * 1.0001).all()


@pytest.mark.parametrize("spec", SPECS)
def test_parameters_are_float32_under_x64_too(spec):
  with jax.enable_x64(True):
    given = jax.ShapeDtypeStruct((1, 3, 16), jnp.float32), jax.ShapeDtypeStruct((1, 3), jnp.int32)
    params = jax.eval_shape(mixer(spec).init, jax.random.key(0), *given)
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_not_drawn_is_in_no_product(spec):
  """A rate, a scale or a skip starts at a number: by its name it must not decay like a matrix."""
  x_BTD, pos_BT = jnp.zeros((1, 3, 16)), jnp.zeros((1, 3), jnp.int32)
  made = jax.jit(mixer(spec).init)
  one, other = (by_path(made(jax.random.key(seed), x_BTD, pos_BT)["params"]) for seed in range(2))
  for path in one:
    if np.array_equal(one[path], other[path]):
      assert axes.fan_in_axes(path) == (), path


@pytest.mark.parametrize(
  "spec, tells",
  [
    ("lstm()", True), ("mamba2()", True), ("rwkv4()", True), ("attention()", False),
    ("mla()", False), ("hyena()", False), ("tcn()", False), ("short_conv()", False),
    ("parallel()", False), ("parallel(left='lstm()')", True),
  ],
)  # fmt: skip
def test_whose_last_state_tells_of_all(spec, tells):
  assert remembers(mixer(spec), 16) == tells


def test_the_normal_part_of_hippo():
  """arXiv:2208.04933, appendix B.1.1: eigenvalues and vectors of A + p p^T."""
  place = np.arange(8)
  root = np.sqrt(2 * place + 1)
  matrix = -np.tril(np.outer(root, root), -1) - np.diag(place + 1.0)
  matrix += np.outer(root, root) / 2
  values, vectors = hippo(4)
  np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-10)
  assert (values.imag > 0).all() and np.allclose(values.real, -0.5)


def test_a_query_of_nothing_finds_nothing():
  """Where the exponent of a stabiliser underflows, 0 / 0 is 0."""
  one = jnp.ones((1, 1, 2, 2))
  q, gate = one * 0, jnp.full((1, 1, 2), 100.0)
  start = jnp.zeros((1, 1, 2, 2)), jnp.zeros((1, 1, 2)), jnp.zeros((1, 1))
  for length in (1, 2):
    given = [x[:, :, :length] for x in (q, one, one, gate, -gate)]
    reset = jnp.zeros((1, length), bool)
    y, *_ = mlstm(*given, reset, *start)
    np.testing.assert_array_equal(y, 0)
    slopes = jax.grad(lambda *g, r=reset: mlstm(*g, r, *start)[0].sum(), range(5))(*given)
    assert all(jnp.isfinite(slope).all() for slope in slopes)


def test_features_that_are_all_but_nothing_have_finite_gradients():
  """Where elu + 1 of queries and keys is far below 0, the sum of weights is, too."""
  one, x_BTD = mixer("linear_attention(heads=1)"), jnp.ones((1, 3, 4))
  pos_BT = jnp.arange(3)[None]
  params = one.init(jax.random.key(0), x_BTD, pos_BT)
  for name in ("q_DHK", "k_DHK"):
    params["params"][name] = jnp.full_like(params["params"][name], -6.5)  # products of -26
  slopes = jax.grad(lambda p: one.apply(p, x_BTD, pos_BT)[0].sum())(params)
  assert all(jnp.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", MIXERS)
def test_a_state_of_another_batch_or_width_is_refused(name):
  one, pos_BT = mixer(f"{name}()"), jnp.zeros((2, 3), jnp.int32)
  x_BTD = jnp.zeros((2, 3, 16))
  params = jax.eval_shape(one.init, jax.random.key(0), x_BTD, pos_BT)
  run = lambda state: jax.eval_shape(one.apply, params, x_BTD, pos_BT, state)  # noqa: E731
  run(one.init_state(2, 16, 7))
  for batch, width in ((1, 16), (3, 16), (2, 32)):
    state = one.init_state(batch, width, 7)
    with pytest.raises(UserError, match=r"of the state has shape .*2 rows of width 16 want"):
      run(state)


class Nested(Mixer):
  def __call__(self, x_BTD, pos_BT, state=None):
    start = self.before(x_BTD, state)
    return x_BTD + start["inner"]["h_BD"][:, None] * start["n"], start

  def init_state(self, batch, width, capacity, dtype=jnp.float32):
    return dict(inner=dict(h_BD=jnp.zeros((batch, width))), n=jnp.zeros(()))


def test_a_state_may_be_nested_and_a_leaf_without_letters():
  one, x_BTD, pos_BT = Nested(), jnp.zeros((2, 3, 16)), jnp.zeros((2, 3), jnp.int32)
  one.apply({}, x_BTD, pos_BT, one.init_state(2, 16, 1))
  with pytest.raises(UserError, match=r"h_BD of the state has shape \(3, 16\); 2 rows"):
    one.apply({}, x_BTD, pos_BT, one.init_state(3, 16, 1))
  with pytest.raises(UserError, match="wants a state with n"):
    one.apply({}, x_BTD, pos_BT, dict(inner=one.init_state(2, 16, 1)["inner"]))


@pytest.mark.parametrize("name", ["attention", "mla", "differential_attention", "lstm"])
def test_what_reads_both_ways_takes_no_state(name):
  one = mixer(f"{name}()")
  both, x_BTD, pos_BT = both_ways(one), jnp.zeros((2, 3, 16)), jnp.zeros((2, 3), jnp.int32)
  params = jax.eval_shape(both.init, jax.random.key(0), x_BTD, pos_BT)
  with pytest.raises(TypeError, match="whole sequences and has no state"):
    jax.eval_shape(both.apply, params, x_BTD, pos_BT, one.init_state(2, 16, 7))


def test_a_hard_forget_costs_no_digits():
  """Sums of logarithms before it are not taken from sums behind it."""
  draw, shape = np.random.default_rng(0), (1, 1, 24, 3)
  q, k, v = (jnp.asarray(draw.normal(size=shape), jnp.float32) for _ in range(3))
  g = jnp.full((1, 1, 24, 1), -0.1).at[:, :, 5].set(-1e6)
  reset, start = jnp.zeros((1, 24), bool), jnp.zeros((1, 1, 3, 3))
  whole, _ = linear_attention(q, k, v, g, reset, start)
  after, _ = linear_attention(*(x[:, :, 5:] for x in (q, k, v, g)), reset[:, 5:], start)
  np.testing.assert_allclose(whole[:, :, 5:], after, rtol=1e-4, atol=1e-4)
