"""The objective contract: what the training step and the evaluation ask of a task.

Training is a game of one or more players; ordinary training has the one player "model".
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

Metrics = dict[str, tuple[jax.Array, jax.Array]]
Batch = Mapping[str, Any]  # arrays of jax or numpy, by names that spell their axes


class Points(NamedTuple):
  """Points of a plane, [N, 2], and the class of each, [N], where there is one."""

  x_N2: jax.Array
  label_N: Any = None


class Course(NamedTuple):
  """What the same noise gives at every evaluation, to be drawn over all of them: images
  [N, Y, X, D], or points [N, 2] over other points [M, 2].
  """

  now: jax.Array
  around: Any = None


# By name: images [rows, columns, Y, X, D] of values from 0 to 1 in a grid; points; groups of points
# [N, 2] by name; or where noise goes.
Pictures = dict[str, jax.Array | Points | Course | dict[str, jax.Array]]


ARRAYS = ("image_BYXD", "x_BTD", "x_BD")  # images, series, points


def array_of(batch: Batch) -> jax.Array:
  """The array that a batch of arrays holds."""
  return next(batch[name] for name in ARRAYS if name in batch)


def content(value_BN: jax.Array) -> jax.Array:
  """A number of each row out of its own values, uint32 [B]: what an evaluation draws by, so that no
  result depends on the rows around it. Floats count by their bits.
  """
  floats = jnp.issubdtype(value_BN.dtype, jnp.floating)
  bits_BN = (
    lax.bitcast_convert_type(value_BN.astype(jnp.float32), jnp.uint32) if floats else value_BN
  )
  odd_N = 2 * jnp.arange(value_BN.shape[1], dtype=jnp.uint32) + 1
  return jnp.sum(bits_BN.astype(jnp.uint32) * odd_N, 1, dtype=jnp.uint32)


class Network(Protocol):
  """A network as an objective sees it: a function of parameters and inputs, with a key when
  training.
  """

  def init(self, key: jax.Array, *inputs: Any) -> dict[str, Any]: ...

  def __call__(
    self, params: dict, *inputs: Any, key: jax.Array | None = None, method: str = ...
  ) -> Any: ...

  def init_state(self, batch: int, capacity: int) -> dict[str, Any]: ...

  @property
  def reads_types(self) -> bool: ...


class Players(Protocol):
  """What a game of two is played with: as `seqlab.models.gan.Pair`."""

  @property
  def generator(self) -> Network: ...
  @property
  def discriminator(self) -> Network: ...


class OnePlayer:
  """What most objectives have in common: one player, "model", that reads tokens."""

  players: tuple[str, ...] = ("model",)
  rows: ClassVar[str] = ""
  writes: str = ""
  pictured: int = 0
  ranked: ClassVar[tuple[str, ...]] = ("loss",)
  network: Any

  def inputs(self, batch: Batch) -> tuple:
    """What the network reads of a batch."""
    return batch["tokens_BT"], batch["pos_BT"]

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    return {}

  def warning(self, numbers: dict[str, float]) -> str:
    return ""

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    return {"model": self.network.init(key, *self.inputs(batch))}

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    return {}


class OfTexts(OnePlayer):
  """What objectives that say one thing of a whole text, or of an array, have in common."""

  rows: ClassVar[str] = "examples"
  counts: ClassVar[str] = "examples"
  whole_text: bool = False

  def inputs(self, batch: Batch) -> tuple:
    if "tokens_BT" not in batch:
      return (array_of(batch),)
    types = (batch["types_BT"],) if self.network.reads_types else ()
    return *super().inputs(batch), batch["weight_BT"], *types


class Objective(Protocol):
  """`players` take turns in that order (a repeated name plays twice); each has its own loss and
  optimizer.

  Metrics are (total, weight) sums, so that microbatches, devices and evaluation sets add up
  exactly. `metrics["loss"]` is always there: its weight is what the scalar is a mean over, and
  gradient accumulation weights by it.

  rows: the rows that it reads, or "" for those of `config.data.rows`; arguments of its own that the
  rows have too are theirs. counts: what the weight of its loss counts. whole_text: every token of
  the text is told once, and nats make bits per byte; a metric `token_loss` is in nats a token where
  the loss is not.
  writes: what a model of it makes: "continuations" of a text, "targets" of a source, "sentences"
  out of latent numbers, "arrays" by the objective's `draw`, or "" for nothing.
  pictured: examples that its pictures show; 0 where it has none. ranked: the metrics of the
  validation set that tell which model is better, () where none does.
  """

  players: tuple[str, ...]
  network: Any
  rows: ClassVar[str]
  counts: ClassVar[str]
  whole_text: bool
  writes: str
  pictured: int
  ranked: ClassVar[tuple[str, ...]]

  def init(self, key: jax.Array, batch: Batch) -> dict[str, Any]:
    """Fresh parameters, {player: tree}."""
    ...

  def init_extra(self, batch_size: int) -> dict[str, Any]:
    """What is carried from step to step beside parameters (a recurrent state), or {}."""
    ...

  def loss(
    self, player: str, params: dict, batch: Batch, key: jax.Array | None, extra: dict
  ) -> tuple[jax.Array, Metrics, dict]:
    """The scalar that `player` minimises, its metrics and the new `extra`; `key` is None in
    evaluation.
    """
    ...

  def pictures(self, params: dict, batch: Batch, key: jax.Array) -> Pictures:
    """What a person would look at after an evaluation; a jax function of its arguments."""
    ...

  def warning(self, numbers: dict[str, float]) -> str:
    """What the numbers of an evaluation say that a person should know, or ""."""
    ...
