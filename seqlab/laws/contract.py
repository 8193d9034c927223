"""What a mixer promises of its outputs and its names, whatever it computes."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seqlab import axes
from seqlab.laws.base import (
  BATCH,
  CUTS,
  DOCUMENTS,
  LENGTH,
  ROUNDED,
  WIDTH,
  LawBroken,
  applied,
  drawn,
  equal,
  fed,
  inputs,
  shapes,
)
from seqlab.leaves import by_path
from seqlab.nn.mixers import Mixer


def splitting(mixer: Mixer) -> None:
  """Cut anywhere and fed state to state, a row gives what the whole gives, and so does its last
  state.
  """
  params, x_BTD, pos_BT = inputs(mixer)
  whole_BTD, none = applied(mixer)(params, x_BTD, pos_BT)
  if none is not None:
    raise LawBroken("state=None must come back as None")
  start = mixer.init_state(BATCH, WIDTH, LENGTH)
  kept_BTD, last = applied(mixer)(params, x_BTD, pos_BT, start)
  equal("outputs with a state against outputs without", kept_BTD, whole_BTD)
  for cuts in (*CUTS, drawn(LENGTH, mixer)):
    y_BTD, state = fed(mixer, x_BTD, pos_BT, cuts, start)
    equal(f"pieces of {cuts} against the whole", y_BTD, whole_BTD)
    if shapes(state) != shapes(start):
      raise LawBroken(f"the state changes its form: {shapes(start)} becomes {shapes(state)}")
    whole = by_path(last)
    for name, leaf in by_path(state).items():
      equal(f"the last {name} after {cuts}", leaf, whole[name])


def causality(mixer: Mixer) -> None:
  """No output depends on a later input or on another row, by gradient; each does depend on its
  own input. Of a mixer that says that it `rounds`, slopes of what is rounded are nothing.
  """
  params, x_BTD, pos_BT = inputs(mixer)
  nothing = ROUNDED if mixer.rounds else 0.0

  @jax.jit
  def at(row: jax.Array, time: jax.Array) -> jax.Array:
    def read(x_BTD: jax.Array) -> jax.Array:
      y_BTD = mixer.apply(params, x_BTD, pos_BT)[0]
      return jnp.sum(y_BTD[row, time] * jnp.arange(1, WIDTH + 1))

    return jnp.abs(jax.grad(read)(x_BTD)).max(2)

  for row, time in itertools.product(range(BATCH), range(LENGTH)):
    slope_BT = np.asarray(at(jnp.asarray(row), jnp.asarray(time)))
    slope_T = slope_BT[row]
    if np.delete(slope_BT, row, 0).any():
      raise LawBroken(f"the output of row {row} at time {time} depends on another row")
    if (slope_T[time + 1 :] > nothing * slope_T.max()).any():
      later = time + 1 + int(np.argmax(slope_T[time + 1 :]))
      raise LawBroken(f"the output at time {time} depends on the input at time {later}")
    if not slope_T[time]:
      raise LawBroken(f"the output at time {time} does not depend on the input there")


def packing(mixer: Mixer) -> None:
  """A row of packed documents equals its documents run apart."""
  params, x_BTD, pos_BT = inputs(mixer)
  packed_BTD, at = applied(mixer)(params, x_BTD, pos_BT)[0], 0
  for length in DOCUMENTS[0]:
    place = slice(at, at + length)
    begun_BT = jnp.broadcast_to(jnp.arange(length), (BATCH, length))
    start = mixer.init_state(BATCH, WIDTH, LENGTH)
    alone_BTD, _ = fed(mixer, x_BTD[:, place], begun_BT, drawn(length, mixer), start)
    equal(f"the document at {at} alone against packed", alone_BTD[0], packed_BTD[0, place])
    at += length


def padding(mixer: Mixer) -> None:
  """A document says the same with padding (tokens of position 0) before it, behind it and between
  it and another, in one piece or in several, cut anywhere.
  """
  params, x_BTD, _ = inputs(mixer)
  size, start = DOCUMENTS[0][0], mixer.init_state(BATCH, WIDTH, LENGTH)
  begun_BT = jnp.broadcast_to(jnp.arange(size), (BATCH, size))
  alone_BTD, _ = fed(mixer, x_BTD[:, :size], begun_BT, drawn(size, mixer), start)
  for before in (2, LENGTH - size):
    place = slice(before, before + size)
    other = max(before - 3, 0)  # where there is room another document stands before the padding
    padded_BT = jnp.zeros((BATCH, LENGTH), jnp.int32).at[:, place].set(jnp.arange(size))
    padded_BT = padded_BT.at[:, :other].set(jnp.arange(other))
    padded_BTD = x_BTD[:, ::-1].at[:, place].set(x_BTD[:, :size])
    y_BTD = applied(mixer)(params, padded_BTD, padded_BT)[0][:, place]
    equal(f"a document behind {before - other} of padding", y_BTD, alone_BTD)
    for cuts in (*CUTS, drawn(LENGTH, mixer, before)):
      y_BTD, _ = fed(mixer, padded_BTD, padded_BT, cuts, start)
      said = f"a document behind {before - other} of padding, in pieces of {cuts}"
      equal(said, y_BTD[:, place], alone_BTD)


def names(mixer: Mixer) -> None:
  """The letters of every parameter and state leaf are as many as its axes, and B of a state is its
  rows.
  """
  params, _, _ = inputs(mixer)
  state = mixer.init_state(BATCH, WIDTH, LENGTH)
  for path, leaf in {**by_path(params["params"]), **by_path(state)}.items():
    if len(axes.letters(path)) != leaf.ndim:
      raise LawBroken(
        f"{path} has {leaf.ndim} axes; its letters {axes.letters(path)!r} name "
        f"{len(axes.letters(path))}"
      )
  for path, leaf in by_path(state).items():
    if "B" in axes.letters(path) and leaf.shape[axes.letters(path).index("B")] != BATCH:
      raise LawBroken(f"axis B of state {path} is not the rows")
  for path, leaf in by_path(params["params"]).items():
    if leaf.dtype != jnp.float32:
      raise LawBroken(f"{path} is {leaf.dtype}; parameters are float32 masters")


def bfloat16(mixer: Mixer) -> None:
  """In bfloat16 outputs and states keep their dtypes, outputs stay near float32's, gradients are
  finite.
  """
  params, x_BTD, pos_BT = inputs(mixer)

  @jax.jit
  def loss(params: Any, x_BTD: jax.Array) -> tuple[jax.Array, jax.Array]:
    y_BTD = mixer.apply(params, x_BTD, pos_BT)[0]
    return jnp.sum(jnp.square(y_BTD.astype(jnp.float32))), y_BTD

  grads, y_BTD = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
    params, x_BTD.astype(jnp.bfloat16)
  )
  if y_BTD.dtype != jnp.bfloat16:
    raise LawBroken(f"bfloat16 in, {y_BTD.dtype} out")
  start = mixer.init_state(BATCH, WIDTH, LENGTH, jnp.bfloat16)
  for tokens in (1, LENGTH):  # one has a form of its own
    given = params, x_BTD[:, :tokens].astype(jnp.bfloat16), pos_BT[:, :tokens], start
    after = jax.eval_shape(mixer.apply, *given)[1]
    if shapes(after) != shapes(start):
      raise LawBroken(f"of bfloat16 the state {shapes(start)} becomes {shapes(after)}")
  equal("bfloat16 against float32", y_BTD.astype(jnp.float32), loss(params, x_BTD)[1], 0.1)
  for path, leaf in by_path(grads).items():
    if not bool(jnp.isfinite(leaf).all()):
      raise LawBroken(f"the gradient of {path} is not finite in bfloat16")


def learning(mixer: Mixer) -> None:
  """Every parameter gets a gradient that is finite and not zero."""
  params, x_BTD, pos_BT = inputs(mixer)
  weight_D = jnp.arange(1.0, WIDTH + 1)
  grads = jax.jit(jax.grad(lambda p: jnp.sum(mixer.apply(p, x_BTD, pos_BT)[0] * weight_D)))(params)
  for path, leaf in by_path(grads["params"]).items():
    if not bool(jnp.isfinite(leaf).all()):
      raise LawBroken(f"the gradient of {path} is not finite")
    if not bool(jnp.any(leaf != 0)):
      raise LawBroken(f"the gradient of {path} is zero everywhere: it is never learned")
