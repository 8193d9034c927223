"""Dilated convolutions over texts: the op by its sum, the network by its reach and its padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn

from seqlab import axes
from seqlab.config import load
from seqlab.errors import UserError
from seqlab.leaves import by_path
from seqlab.networks import Ends, make_network
from seqlab.objectives import Classification
from seqlab.ops.convolution import convolution_1d

DRAW = np.random.default_rng(0)
NAME = "dilated_cnn(window=3, dilations=(1, 2), iterations=2)"


def network(name=NAME, **ends):
  return make_network(load("", [f"model.name={name}", "model.width=8"]), Ends(vocab=11, **ends))


def rows(sizes, length):
  inside = np.arange(length) < np.array(sizes)[:, None]
  return dict(
    tokens_BT=np.where(inside, DRAW.integers(0, 10, inside.shape), 10).astype(np.int32),
    pos_BT=np.where(inside, np.arange(length), 0).astype(np.int32),
    weight_BT=inside.astype(np.float32),
    label_B=DRAW.integers(0, 3, len(sizes)).astype(np.int32),
    weight_B=np.ones(len(sizes), np.float32),
  )


def test_the_op_is_its_sum():
  x, w = DRAW.normal(size=(1, 5, 2)), DRAW.normal(size=(3, 2, 4))
  y = convolution_1d(jnp.asarray(x), jnp.asarray(w), dilation=2, before=3, after=2)
  assert y.shape == (1, 5 + 3 + 2 - 4, 4)
  for t in range(6):
    inside = ((i, t - 3 + 2 * i) for i in range(3))
    want = sum((x[0, at] @ w[i] for i, at in inside if 0 <= at < 5), np.zeros(4))
    np.testing.assert_allclose(y[0, t], want, atol=1e-5)


def test_a_token_sees_as_far_as_the_dilations_reach_and_no_padding():
  """1 + 2 to each side, twice over, is 6; the text after a token counts as that before it."""
  net, batch = network(), rows([14] + [20] * 40, 20)
  params = jax.tree.map(jnp.asarray, drawn(net.init, batch["tokens_BT"], batch["pos_BT"]))
  assert len([path for path in by_path(params) if path.endswith("window_WDF")]) == 2, "shared"
  run = jax.jit(lambda tokens: net(params, tokens, jnp.asarray(batch["pos_BT"]))[0])
  before, changed = run(batch["tokens_BT"]), batch["tokens_BT"].copy()
  changed[0, 14:], changed[1:, 9] = 3, (changed[1:, 9] + 1) % 10
  moved = np.abs(run(changed) - before).max(-1)
  assert (moved[0, :14] == 0).all(), "padding has no say"
  np.testing.assert_array_equal(np.flatnonzero(moved[1:].max(0)), range(3, 16))


def test_classes_do_not_depend_on_the_row_nor_on_the_mesh_and_every_parameter_learns():
  net, batch = (
    network("dilated_cnn(window=2, dilations=(2,))", classes=3),
    rows([3, 6, 1, 6, 2, 5, 4, 6], 6),
  )
  objective = Classification(net)
  inputs = objective.inputs(batch)
  params = drawn(net.init, *inputs)
  run = jax.jit(net)
  longer = [np.pad(x, [(0, 0), (0, 5)]) for x in inputs]
  np.testing.assert_allclose(run(params, *inputs), run(params, *longer), atol=1e-5)

  def loss(params, batch):
    return objective.loss("model", {"model": params}, batch, None, {})[0]

  slope = jax.jit(jax.grad(loss), compiler_options=dict(xla_backend_optimization_level=0))
  grads = slope(params, batch)
  for path, leaf in by_path(grads).items():
    assert len(axes.letters(path)) == leaf.ndim and np.abs(leaf).max() > 0, path
  mesh = axes.make_mesh(dict(data=2, fsdp=2, tensor=2))
  with axes.use_mesh(mesh):  # the law of meshes would compile an optimizer as well
    spread = jax.device_put(params, axes.sharding(params, mesh))
    there = slope(spread, axes.put_batch(batch, mesh))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), there, grads)


def test_tags_have_a_head_and_sizes_have_bounds():
  net, batch = network(tags=4, crf=True), rows([5], 6)
  shapes = jax.eval_shape(net.init, jax.random.key(0), batch["tokens_BT"], batch["pos_BT"])
  assert shapes["tags_DC"].shape == (8, 4) and "transition_bias_CC" in shapes
  for wrong in ("dilations=()", "dilations=(1, 0)", "ratio=0.01", "window=0"):
    with pytest.raises(UserError, match="of 1 or more and a ratio that leaves features"):
      network(f"dilated_cnn({wrong})")
