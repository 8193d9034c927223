"""The laws of the mixer contract, each a function that raises `LawBroken` for a mixer that breaks
it.

`seqlab check` runs them on registered mixers and on a user's own; the tests run them on every
member. A law gets an unbound mixer and makes its own inputs: two rows of packed documents, one of
them a single long one.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from seqlab import axes
from seqlab.leaves import by_path
from seqlab.models.decoder import Decoder
from seqlab.models.network import Network
from seqlab.nn.layers import Plain
from seqlab.nn.mixers import Mixer
from seqlab.nn.stack import Layer
from seqlab.objectives import LanguageModel
from seqlab.objectives.base import Batch, Objective
from seqlab.optim import make_optimizer
from seqlab.step import State, init_state, make_train_step

BATCH, LENGTH, WIDTH, VOCAB = 2, 12, 16, 16
DOCUMENTS = ((5, 4, 3), (12,))  # lengths of the documents of each row
TOLERANCE = 2e-5


class LawBroken(AssertionError):
  """A mixer does not keep a law; the message says where and by how much."""


def splitting(mixer: Mixer) -> None:
  """Cut anywhere and fed state to state, a row gives what the whole gives, and so does its last
  state.
  """
  params, x_BTD, pos_BT = _inputs(mixer)
  run = jax.jit(mixer.apply)
  whole_BTD, none = run(params, x_BTD, pos_BT)
  if none is not None:
    raise LawBroken("state=None must come back as None")
  start = mixer.init_state(BATCH, WIDTH, LENGTH)
  kept_BTD, last = run(params, x_BTD, pos_BT, start)
  _equal("outputs with a state against outputs without", kept_BTD, whole_BTD)
  for cuts in ((1,) * LENGTH, (7, 1, 4)):
    pieces, state, at = [], start, 0
    for length in cuts:
      piece = slice(at, at + length)
      y_BTD, state = run(params, x_BTD[:, piece], pos_BT[:, piece], state)
      pieces.append(y_BTD)
      at += length
    _equal(f"pieces of {cuts} against the whole", jnp.concatenate(pieces, 1), whole_BTD)
    if _shapes(state) != _shapes(start):
      raise LawBroken(f"the state changes its form: {_shapes(start)} becomes {_shapes(state)}")
    for name, leaf in state.items():
      _equal(f"the last {name} after {cuts}", leaf, last[name])


def causality(mixer: Mixer) -> None:
  """No output depends on a later input, by gradient; and each does depend on its own."""
  params, x_BTD, pos_BT = _inputs(mixer)

  @jax.jit
  def at(time: jax.Array) -> jax.Array:
    def read(x_BTD: jax.Array) -> jax.Array:
      y_BTD = mixer.apply(params, x_BTD, pos_BT)[0]
      return jnp.sum(jnp.take(y_BTD, time, axis=1) * jnp.arange(1, WIDTH + 1))

    return jnp.abs(jax.grad(read)(x_BTD)).max((0, 2))

  for time in range(LENGTH):
    slope_T = np.asarray(at(jnp.asarray(time)))
    if slope_T[time + 1 :].any():
      later = time + 1 + int(np.argmax(slope_T[time + 1 :]))
      raise LawBroken(f"the output at time {time} depends on the input at time {later}")
    if not slope_T[time]:
      raise LawBroken(f"the output at time {time} does not depend on the input there")


def packing(mixer: Mixer) -> None:
  """A row of packed documents equals its documents run apart."""
  params, x_BTD, pos_BT = _inputs(mixer)
  run = jax.jit(mixer.apply)
  packed_BTD = run(params, x_BTD, pos_BT)[0]
  for row, lengths in enumerate(DOCUMENTS):
    at = 0
    for length in lengths:
      document = (slice(row, row + 1), slice(at, at + length))
      alone_BTD = run(params, x_BTD[document], pos_BT[document])[0]
      _equal(f"document {document} alone against packed", alone_BTD, packed_BTD[document])
      at += length


def names(mixer: Mixer) -> None:
  """The letters of every parameter and state leaf are its axes: as many as its rank, rows first in
  a state.
  """
  params, _, _ = _inputs(mixer)
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
  """In bfloat16 outputs keep their dtype, stay near float32's, and all gradients are finite."""
  params, x_BTD, pos_BT = _inputs(mixer)

  @jax.jit
  def loss(params: Any, x_BTD: jax.Array) -> tuple[jax.Array, jax.Array]:
    y_BTD = mixer.apply(params, x_BTD, pos_BT)[0]
    return jnp.sum(jnp.square(y_BTD.astype(jnp.float32))), y_BTD

  grads, y_BTD = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
    params, x_BTD.astype(jnp.bfloat16)
  )
  if y_BTD.dtype != jnp.bfloat16:
    raise LawBroken(f"bfloat16 in, {y_BTD.dtype} out")
  _equal("bfloat16 against float32", y_BTD.astype(jnp.float32), loss(params, x_BTD)[1], 0.1)
  for path, leaf in by_path(grads).items():
    if not bool(jnp.isfinite(leaf).all()):
      raise LawBroken(f"the gradient of {path} is not finite in bfloat16")


def learning(mixer: Mixer) -> None:
  """Every parameter gets a gradient that is finite and not zero."""
  params, x_BTD, pos_BT = _inputs(mixer)
  weight_D = jnp.arange(1.0, WIDTH + 1)
  grads = jax.jit(jax.grad(lambda p: jnp.sum(mixer.apply(p, x_BTD, pos_BT)[0] * weight_D)))(params)
  for path, leaf in by_path(grads["params"]).items():
    if not bool(jnp.isfinite(leaf).all()):
      raise LawBroken(f"the gradient of {path} is not finite")
    if not bool(jnp.any(leaf != 0)):
      raise LawBroken(f"the gradient of {path} is zero everywhere: it is never learned")


def sharding(mixer: Mixer, sizes: dict[str, int] | None = None) -> None:
  """A small decoder has the same loss and gradients on a mesh of 8 devices as on one. In float64:
  a partition that is right is exact there, however much a mixer makes of what is rounded.

  Raises:
    NotApplicable: there are fewer than 8 devices.
  """
  if len(jax.devices()) < 8:
    raise NotApplicable("needs 8 devices; on a CPU set JAX_NUM_CPU_DEVICES=8")
  sizes = sizes or dict(data=2, fsdp=2, tensor=2)
  layer = Layer(mixer, Plain(ratio=2))
  decoder = Decoder(vocab=VOCAB, width=WIDTH, depth=1, layers=(layer,), dtype="float64")
  tokens_BT = np.random.default_rng(0).integers(0, VOCAB, (8, LENGTH + 1)).astype(np.int32)
  batch = dict(
    tokens_BT=tokens_BT[:, :-1],
    labels_BT=tokens_BT[:, 1:],
    pos_BT=np.tile(np.concatenate([np.arange(n) for n in DOCUMENTS[0]]), (8, 1)).astype(np.int32),
    weight_BT=np.ones((8, LENGTH), np.float32),
  )
  objective, key = LanguageModel(Network(decoder)), jax.random.key(0)
  shapes, draw = jax.eval_shape(objective.init, key, batch), np.random.default_rng(0)
  params = jax.tree.map(lambda x: 0.3 * draw.standard_normal(x.shape), shapes)

  def found(mesh: Mesh) -> dict[str, np.ndarray]:
    with axes.use_mesh(mesh):
      run = jax.jit(jax.value_and_grad(lambda *given: objective.loss("model", *given, None, {})[0]))
      where = axes.sharding(params, mesh)
      loss, grads = run(jax.device_put(params, where), axes.put_batch(batch, mesh))
      return by_path(jax.device_get({"loss": loss, **grads}))

  with jax.enable_x64(True):
    one = found(axes.make_mesh({}, jax.devices()[:1]))
    many = found(axes.make_mesh(sizes, jax.devices()[:8]))
  for path, wanted in one.items():
    what = "the loss" if path == "loss" else f"the gradient of {path}"
    _equal(f"{what} on {sizes} against one device", many[path], wanted, 1e-6)


def same_on_a_mesh(
  objective: Objective, batch: Batch, sizes: dict[str, int], steps: int = 5
) -> None:
  """An objective's losses over some steps are the same on a mesh of 8 devices as on one."""
  optimizer = make_optimizer("adamw()", lambda step: jnp.asarray(1e-2), clip=1.0)
  optimizers = dict.fromkeys(objective.players, optimizer)
  fresh = jax.jit(lambda: init_state(objective, optimizers, jax.random.key(0), batch, 8))()
  step = make_train_step(objective, optimizers, seed=0)
  meshes = (axes.make_mesh({}, jax.devices()[:1]), axes.make_mesh(sizes, jax.devices()[:8]))
  one, many = (losses(step, fresh, batch, mesh, steps) for mesh in meshes)
  worst = max(abs(a - b) for a, b in zip(many, one, strict=True))
  if not worst <= 1e-5:
    raise LawBroken(f"losses on {sizes} are off by {worst:.1e} from one device's; 1e-05 allowed")


class NotApplicable(Exception):
  """A law that cannot be tried here, with the reason."""


def losses(train_step: Callable, state: State, batch: Batch, mesh: Any, steps: int) -> list[float]:
  """Losses of the first steps from a state on a mesh, of a batch of 8 rows, player after player."""
  with axes.use_mesh(mesh):
    state = jax.device_put(state, axes.sharding(state, mesh))
    step = jax.jit(train_step)
    found = []
    for _ in range(steps):
      state, metrics = step(state, axes.put_batch(batch, mesh))
      told = (metrics[name] for name in sorted(metrics) if name.endswith("loss"))
      found += [float(total) / float(weight) for total, weight in told]
  return found


LAWS: dict[str, Callable[[Mixer], None]] = dict(
  splitting=splitting,
  causality=causality,
  packing=packing,
  names=names,
  learning=learning,
  bfloat16=bfloat16,
  sharding=sharding,
)


@functools.lru_cache(maxsize=1)  # the laws of one mixer follow each other
def _inputs(mixer: Mixer) -> tuple[Any, jax.Array, jax.Array]:
  pos_BT = jnp.asarray([[i for n in row for i in range(n)] for row in DOCUMENTS], jnp.int32)
  draw = np.random.default_rng(0)  # jax's generator takes longer to compile than a law
  x_BTD = jnp.asarray(draw.standard_normal((BATCH, LENGTH, WIDTH)), jnp.float32)
  params = jax.jit(mixer.init)(jax.random.key(0), x_BTD, pos_BT)
  # Biases and scales start at zero and one, where a missing term would not show.
  noise = lambda x: jnp.asarray(x + 0.1 * draw.standard_normal(x.shape), x.dtype)  # noqa: E731
  return jax.tree.map(noise, jax.device_get(params)), x_BTD, pos_BT


def _equal(what: str, got: Any, wanted: Any, tolerance: float = TOLERANCE) -> None:
  got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
  worst = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted)), initial=0))
  if not worst <= tolerance:  # also catches NaN
    raise LawBroken(f"{what}: off by {worst:.1e}, {tolerance:.0e} allowed")


def _shapes(state: Any) -> dict[str, str]:
  return {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in by_path(state).items()}
