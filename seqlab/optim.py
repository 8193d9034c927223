"""Optimizers from a config: optax chains, with decay, freezing and rates chosen by a parameter's
name.

A selector picks leaves of the parameter tree: axis letters alone ("V": every leaf with a vocabulary
axis) or a regular expression searched in the path ("layers_L/.*norm").
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

from seqlab import axes
from seqlab.adapt import layerwise, mup
from seqlab.leaves import by_path, path_of
from seqlab.schedules import Schedule
from seqlab.spec import make, parse_one


def adamw(b1: float = 0.9, b2: float = 0.95, eps: float = 1e-8) -> optax.GradientTransformation:
  """Adam (arXiv:1412.6980); decay is decoupled and added after it (arXiv:1711.05101)."""
  return optax.scale_by_adam(b1, b2, eps)


def sgd(momentum: float = 0.0, nesterov: bool = False) -> optax.GradientTransformation:
  """Gradient descent, with momentum where it is not 0."""
  return optax.trace(momentum, nesterov) if momentum else optax.identity()


def lion(b1: float = 0.9, b2: float = 0.99) -> optax.GradientTransformation:
  """Sign of an interpolated momentum (arXiv:2302.06675)."""
  return optax.scale_by_lion(b1, b2)


def adadelta(rho: float = 0.95, eps: float = 1e-6) -> optax.GradientTransformation:
  """Steps in the units of the parameters (arXiv:1212.5701); its own learning rate is 1."""
  return optax.scale_by_adadelta(rho, eps)


def adafactor(decay_rate: float = 0.8, momentum: float = 0.0) -> optax.GradientTransformation:
  """Factored second moments (arXiv:1804.04235), updates clipped at 1 by block RMS."""
  parts = [optax.scale_by_factored_rms(decay_rate=decay_rate), optax.clip_by_block_rms(1.0)]
  return optax.chain(*parts, *([optax.ema(momentum, debias=False)] if momentum else []))


def muon_by_letters(
  beta: float = 0.95, iterations: int = 5, b1: float = 0.9, b2: float = 0.95
) -> optax.GradientTransformation:
  """Orthogonalised momentum for matrices (Jordan 2024; update RMS 0.2 as arXiv:2502.16982), for the
  rest Adam with Nesterov momentum, as optax has it.

  A matrix is what has summed and free axes by its letters; embeddings, heads, norms and biases (any
  leaf with a V, C or S axis, or without a summed one) go to Adam.
  """

  def dimensions(params: Any) -> Any:
    def of(path: tuple, leaf: jax.Array) -> MuonDimensionNumbers | None:
      name = path_of(path)
      found, summed = axes.letters(name), axes.fan_in_axes(name)
      if not summed or set(found) & set("VCS"):
        return None
      mapped = len(found) - leaf.ndim  # the leading axes are taken where layers are apart
      summed = tuple(i - mapped for i in summed)
      found = found[mapped:]
      free = tuple(i for i in range(leaf.ndim) if i not in summed and found[i] not in "LEG")
      return MuonDimensionNumbers(summed, free)

    return jax.tree_util.tree_map_with_path(of, params)

  return muon(
    # optax's muon negates; the sign and the rate are applied by the chain below
    learning_rate=-1.0,
    ns_steps=iterations, beta=beta, adam_b1=b1, adam_b2=b2, consistent_rms=0.2,
    muon_weight_dimension_numbers=dimensions,
  )  # fmt: skip


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = dict(
  adamw=adamw, sgd=sgd, lion=lion, adadelta=adadelta, adafactor=adafactor, muon=muon_by_letters
)


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """A direction without a learning rate, and the rate of each step.

  The rate follows the step of the training state, not a count of updates, so that a skipped step or
  a player that plays twice leaves the schedule where it is.
  """

  direction: optax.GradientTransformationExtraArgs
  schedule: Schedule
  frozen: Callable[[str], bool] = lambda name: False

  def init(self, params: Any) -> Any:
    return self.direction.init(params)

  def moving(self, grads: Any) -> dict[str, Any]:
    """By path the gradients that it reads. XLA computes no other, unless something else asks."""
    return {path: g for path, g in by_path(grads).items() if not self.frozen(path)}

  def update(self, grads: Any, state: Any, params: Any, step: jax.Array) -> tuple[Any, Any]:
    """(what is added to the parameters at this step, the new state)."""
    updates, state = self.direction.update(grads, state, params, step=step)
    rate = self.schedule(step)
    return jax.tree.map(lambda u: -rate * u, updates), state


def make_optimizer(
  text: str,
  schedule: Schedule,
  *,
  clip: float = 0.0,
  decay: float = 0.0,
  decay_of: str = "",
  rates: tuple[tuple[str, float], ...] = (),
  freeze: str = "",
  player: str = "",
  layers: layerwise.Layers | None = None,
  layer_decay: layerwise.LayerDecay | None = None,
  gradual: layerwise.Gradual | None = None,
  scales: Mapping[str, mup.Scale] | None = None,
) -> Optimizer:
  """Clip by global norm, direction, rates by width, decoupled decay, rates by group and by layer,
  learning rate.

  clip: the global norm of the gradients of what moves; a frozen leaf has no say in it. 0 for none.
  decay: weight decay of what the selector `decay_of` picks; where that is "", of matrices (leaves
    with a summed axis), never of norms and biases.
  rates: ((selector, factor), ...); the first selector that picks a leaf scales its learning rate.
  freeze: selector of leaves that do not move and hold no optimizer state.
  player: whose parameters they are, where there are several: selectors see "player/path".
  scales: of each leaf by its path, of which the rate scales what the direction says, and not the
    decay, which is the same at every width.
  layers: the stack that `layer_decay` (rates by layer) and `gradual` (thawing) go through.
  """
  prefix = f"{player}/" if player else ""
  direction = make(parse_one(text, "config.optimizer"), OPTIMIZERS, "config.optimizer")

  def decays(name: str) -> bool:
    return (
      axes.selects(decay_of, name, "config.decay_of") if decay_of else bool(axes.fan_in_axes(name))
    )

  if layers and gradual:
    direction = layerwise.begun_apart(direction, layers, gradual)
  parts = [optax.clip_by_global_norm(clip), direction] if clip else [direction]
  if scales:
    parts.append(_scaled(lambda name: scales[name].rate))
  if decay:
    parts.append(
      optax.add_decayed_weights(decay, lambda params: _map_names(decays, params, prefix))
    )
  if rates:
    parts.append(_scaled(lambda name: _rate(prefix + name, rates)))
  if layers and layer_decay:
    parts.append(layerwise.decayed(layers, layer_decay))
  transform = optax.with_extra_args_support(optax.chain(*parts))
  if layers and gradual:
    transform = layerwise.thawing(transform, layers, gradual)

  def frozen(name: str) -> bool:
    return bool(freeze) and axes.selects(freeze, prefix + name, "config.init.freeze")

  if freeze:
    groups = {"moves": transform, "frozen": optax.set_to_zero()}
    labels = functools.partial(_map_names, lambda name: "frozen" if frozen(name) else "moves")
    transform = optax.partition(groups, labels)
  return Optimizer(transform, schedule, frozen)


def _scaled(factor: Callable[[str], float]) -> optax.GradientTransformation:
  """Scales the update of each leaf by a factor of its name."""

  def scale(updates: Any, params: Any = None) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, u: u * factor(path_of(path)), updates)

  return optax.stateless(scale)


def _rate(name: str, rates: tuple[tuple[str, float], ...]) -> float:
  return next(
    (factor for selector, factor in rates if axes.selects(selector, name, "config.rates")), 1.0
  )


def _map_names(fn: Callable[[str], Any], tree: Any, prefix: str = "") -> Any:
  return jax.tree_util.tree_map_with_path(lambda path, _: fn(prefix + path_of(path)), tree)
