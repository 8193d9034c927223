"""FLOPs of any function, read off its jaxpr, and the peak rates of devices.

No architecture writes a formula: what traces is counted. Products are exact (2·m·n·k per matrix
product, likewise convolutions), a scan's body is counted as often as it runs. Element-wise work is
counted apart, one operation per output element (two of a complex one, six to multiply), since
utilisation is by custom quoted on products alone. Scores that a causal mask hides are counted, as
in PaLM (arXiv:2204.02311, appendix B).
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp

# Peak dense bfloat16 FLOP/s by device kind, from the makers' data sheets.
PEAKS = {
  "NVIDIA H200": 989e12, "NVIDIA H100": 989e12, "NVIDIA A100": 312e12, "NVIDIA L4": 121e12,
  "TPU v4": 275e12, "TPU v5 lite": 197e12, "TPU v5e": 197e12, "TPU v5p": 459e12, "TPU v5": 459e12,
  "TPU v6 lite": 918e12, "TPU v6e": 918e12,
}  # fmt: skip

# Data movement: bytes, not operations.
_FREE = frozenset([
  "broadcast_in_dim", "reshape", "transpose", "slice", "dynamic_slice", "dynamic_update_slice",
  "concatenate", "pad", "squeeze", "gather", "scatter", "convert_element_type", "copy", "iota",
  "rev", "split", "stop_gradient", "optimization_barrier", "sharding_constraint", "device_put",
  "bitcast_convert_type", "expand_dims",
])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Flops:
  """Operations of one call: `products` of matrix products and convolutions, `elementwise` of the
  rest.
  """

  products: int = 0
  elementwise: int = 0

  def __add__(self, other: "Flops") -> "Flops":
    return Flops(self.products + other.products, self.elementwise + other.elementwise)

  def __mul__(self, times: int) -> "Flops":
    return Flops(self.products * times, self.elementwise * times)


def count(fn: Callable, *args: Any, **kwargs: Any) -> Flops:
  """The FLOPs of `fn(*args)`; arguments may be ShapeDtypeStructs, nothing is run.

  Raises:
    ValueError: the function holds a while loop whose trip count its jaxpr does not tell.
  """
  return _jaxpr_flops(jax.make_jaxpr(fn)(*args, **kwargs).jaxpr)


def peak(device: jax.Device | None = None) -> float | None:
  """Peak dense bfloat16 FLOP/s of a device, or None where it is not known (a CPU's)."""
  kind = (device or jax.devices()[0]).device_kind
  matches = [name for name in PEAKS if kind.startswith(name)]
  return PEAKS[max(matches, key=len)] if matches else None


def _jaxpr_flops(jaxpr: Any) -> Flops:
  return sum((_equation_flops(eqn) for eqn in jaxpr.eqns), Flops())


def _equation_flops(eqn: Any) -> Flops:
  name, params = eqn.primitive.name, eqn.params
  if name == "dot_general":
    return Flops(products=_dot(eqn))
  if name == "ragged_dot_general":
    return Flops(products=_ragged_dot(eqn))
  if name == "conv_general_dilated":
    return Flops(products=_convolution(eqn))
  if name == "scan":
    return _jaxpr_flops(params["jaxpr"].jaxpr) * params["length"]
  if name == "while":
    raise ValueError("a while loop's trip count is not in the jaxpr: count one step of it instead")
  if name == "cond":  # the dearest branch
    return max((_jaxpr_flops(b.jaxpr) for b in params["branches"]), key=lambda f: f.products)
  if name in ("custom_vjp_call", "custom_jvp_call", "custom_vjp_call_jaxpr"):
    inner = params.get("call_jaxpr", params.get("fun_jaxpr"))
    return _jaxpr_flops(getattr(inner, "jaxpr", inner))
  inner = [j for value in params.values() for j in _jaxprs_in(value)]
  if inner:  # jit, remat, shard_map, closed_call, ...
    return sum((_jaxpr_flops(j) for j in inner), Flops())
  if name in _FREE:
    return Flops()
  read = eqn.invars[:1] if name.startswith(("reduce_", "arg", "cum")) else eqn.outvars
  each = 1
  if jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.complexfloating):
    each = 6 if name == "mul" else 2  # of real numbers
  return Flops(elementwise=each * sum(math.prod(v.aval.shape) for v in read))


def _jaxprs_in(value: Any) -> list[Any]:
  if isinstance(value, jex.core.ClosedJaxpr):
    return [value.jaxpr]
  if isinstance(value, jex.core.Jaxpr):
    return [value]
  return []


def _dot(eqn: Any) -> int:
  (contract, _), _ = eqn.params["dimension_numbers"]
  summed = math.prod(eqn.invars[0].aval.shape[i] for i in contract)
  return 2 * math.prod(eqn.outvars[0].aval.shape) * summed


def _ragged_dot(eqn: Any) -> int:
  """Each row is in one group: multiplied by that group's matrix, or summed into it."""
  numbers = eqn.params["ragged_dot_dimension_numbers"]
  (contract, _), _ = numbers.dot_dimension_numbers
  summed = math.prod(eqn.invars[0].aval.shape[i] for i in contract)
  groups = eqn.invars[2].aval.shape[-1] if set(numbers.lhs_ragged_dimensions) & set(contract) else 1
  return 2 * math.prod(eqn.outvars[0].aval.shape) * summed // groups


def _convolution(eqn: Any) -> int:
  """A transposed one has zeros between its inputs, which are not counted."""
  kernel = eqn.invars[1].aval.shape
  apart = math.prod(eqn.params["lhs_dilation"])
  out_channels = kernel[eqn.params["dimension_numbers"].rhs_spec[0]]
  return 2 * math.prod(eqn.outvars[0].aval.shape) * math.prod(kernel) // out_channels // apart
