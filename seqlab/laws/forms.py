"""What a mixer promises of how it is computed: forms that agree, gradients that are slopes, costs
that grow as they should, leaves that survive being saved.
"""

import pathlib
import tempfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seqlab import axes, flops, stored
from seqlab.laws.base import WIDTH, LawBroken, applied, equal, inputs, shapes
from seqlab.leaves import by_path
from seqlab.nn.mixers import Mixer
from seqlab.ops.backend import forced_backend, reference_forms

LONG = (50, 30)  # a row of two documents that chunks cut, and one of a single document as long
NEAR, SLOPE = 1e-8, 1e-5


def forms(mixer: Mixer) -> None:
  """As on a CPU, as on an accelerator and step by step as in its paper, a mixer gives the same
  outputs, last state and gradients, over rows longer than a chunk. In float64.
  """
  wanted = _computed(mixer, "reference")
  for form in ("cpu", "gpu"):
    for path, found in _computed(mixer, form).items():
      equal(f"{path} in the form of a {form} against the loop's", found, wanted[path], NEAR)


def gradients(mixer: Mixer) -> None:
  """The gradient is the slope that outputs have: central differences of fourth order in float64,
  along a direction of all parameters and inputs at once.
  """
  with jax.enable_x64(True):
    given, pos_BT, weight_BTD = _long(mixer)
    draw = np.random.default_rng(1)
    along = jax.tree.map(lambda x: draw.standard_normal(x.shape), given)

    def loss(given: Any) -> jax.Array:
      return jnp.sum(mixer.apply(*given, pos_BT)[0] * weight_BTD)

    grads, run, step = jax.jit(jax.grad(loss))(given), jax.jit(loss), 1e-6
    ahead, behind, far_ahead, far_behind = (
      float(run(jax.tree.map(lambda x, d, by=by: x + by * d, given, along)))
      for by in (step, -step, 2 * step, -2 * step)
    )
    told = sum(jax.tree.leaves(jax.tree.map(lambda g, d: float(jnp.sum(g * d)), grads, along)))
    slope = (8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * step)
  equal("the gradient along a direction", told, slope, SLOPE)


def costs(mixer: Mixer) -> None:
  """FLOPs are a polynomial of the length of second degree at most, of first where the state has a
  fixed size (no axis S); the bytes of such a state do not depend on how long a sequence may become,
  and it is float32 whatever the dtype of caches.
  """
  state = mixer.init_state(1, WIDTH, 8, jnp.bfloat16)
  fixed = not any("S" in axes.letters(path) for path in by_path(state))
  if fixed and shapes(state) != shapes(mixer.init_state(1, WIDTH, 4096, jnp.float32)):
    raise LawBroken("a state without an axis S depends on the capacity or the dtype of a cache")
  params = inputs(mixer)[0]
  found = []
  for length in (8, 16, 24, 32):
    x_BTD = jax.ShapeDtypeStruct((1, length, WIDTH), jnp.float32)
    pos_BT = jax.ShapeDtypeStruct((1, length), jnp.int32)
    with reference_forms():
      counted = flops.count(lambda p, x, pos: mixer.apply(p, x, pos), params, x_BTD, pos_BT)
    found.append(counted.products)
  for _ in range(2 if fixed else 3):
    found = np.diff(found).tolist()
  if any(found):
    degree = "first" if fixed else "second"
    raise LawBroken(f"products are no polynomial of {degree} degree of the length: off by {found}")


def saving(mixer: Mixer) -> None:
  """Parameters and state come back from a checkpoint bit for bit, under their names."""
  params, x_BTD, pos_BT = inputs(mixer)
  batch, length, width = x_BTD.shape
  start = mixer.init_state(batch, width, length)
  tree = {**params, "state": applied(mixer)(params, x_BTD, pos_BT, start)[1]}
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "saved"
    stored.write(path, tree, {}).result()
    back = stored.load(path, stored.read_body(path), by_path(tree))
  for name, leaf in by_path(tree).items():
    if leaf.size and not np.array_equal(np.asarray(leaf), np.asarray(back[name])):
      raise LawBroken(f"{name} comes back from a checkpoint as other numbers")


def _long(mixer: Mixer) -> tuple[tuple, jax.Array, jax.Array]:
  """((parameters, inputs), positions, weights of the outputs), float64."""
  draw, length = np.random.default_rng(0), sum(LONG)
  params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), inputs(mixer)[0])
  x_BTD, weight_BTD = (jnp.asarray(draw.standard_normal((2, length, WIDTH))) for _ in range(2))
  rows = [[i for size in LONG for i in range(size)], list(range(length))]
  return (params, x_BTD), jnp.asarray(rows, jnp.int32), weight_BTD


def _computed(mixer: Mixer, form: str) -> dict[str, np.ndarray]:
  """Outputs, last state and gradients of a mixer whose ops take a form."""
  with jax.enable_x64(True), forced_backend(form):
    given, pos_BT, weight_BTD = _long(mixer)
    start = mixer.init_state(2, WIDTH, sum(LONG))

    def whole(given: Any) -> tuple[jax.Array, jax.Array]:
      y_BTD = mixer.apply(*given, pos_BT)[0]
      return jnp.sum(y_BTD * weight_BTD), y_BTD

    grads, y_BTD = jax.jit(jax.grad(whole, has_aux=True))(given)
    last = jax.jit(lambda given: mixer.apply(*given, pos_BT, start)[1])(given)
  told = {"outputs": y_BTD, **{f"the last {p}": x for p, x in by_path(last).items()}}
  told |= {f"the gradient of {p}": x for p, x in by_path(grads[0]["params"]).items()}
  return jax.device_get(told | {"the gradient of inputs": grads[1]})
