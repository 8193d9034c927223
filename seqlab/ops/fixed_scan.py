"""Recurrences that do not depend on their input, in which each channel has a complex state of its
own (S4D, arXiv:2206.11893, equation 6):

    h_t = a * h_{t-1} + b u_t,   y_t = Re(sum over n of c_n h_tn),   h [F, N] for F channels

The fast form cuts time into chunks. Inside one an input reaches the outputs by a convolution, whose
taps are Re(sum of c a^lag b); states are made between chunks alone, by products with powers of a.
"""

import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.linear_recurrence import linear_recurrence
from seqlab.ops.parts_of_time import one_earlier, parts_along
from seqlab.ops.short_convolution import behind

CHUNK = 16


def fixed_scan_naive(u_BTF, a_FN, b_FN, c_FN, reset_BT, h_BFN):
  """The loop, one step at a time."""

  def step(h_BFN, now):
    u_BF, reset_B = now
    h_BFN = jnp.where(reset_B[:, None, None], 0, h_BFN)
    h_BFN = a_FN * h_BFN + b_FN * u_BF[..., None]
    return h_BFN, jnp.sum(c_FN * h_BFN, -1).real

  u_TBF = jnp.swapaxes(u_BTF, 0, 1).astype(wide(u_BTF.dtype))
  h_BFN, y_TBF = lax.scan(step, _complex(h_BFN, a_FN, u_TBF), (u_TBF, reset_BT.T))
  return jnp.swapaxes(y_TBF, 0, 1), h_BFN


def fixed_scan(u_BTF, a_FN, b_FN, c_FN, reset_BT, h_BFN, chunk: int = CHUNK, *, axis=None):
  """u_BTF: what is read; a_FN, b_FN, c_FN: complex; reset_BT: bool; h_BFN: the state before,
  complex.

  Returns (y_BTF, h_BFN): every output and the last state, in float32 at least. Where reset_BT is
  true the state is zero before that step. chunk: steps of a chunk. axis: of the mesh that is set,
  where time lies along it and is divided by it.
  """
  length = u_BTF.shape[1]
  if backend() == "reference" or length == 1:
    return fixed_scan_naive(u_BTF, a_FN, b_FN, c_FN, reset_BT, h_BFN)
  u_BTF = u_BTF.astype(wide(u_BTF.dtype))
  if axis is not None:
    # No chunk may lie in two parts, nor may one be filled up, as its state would decay further.
    part = length // parts_along(axis)
    most = min(chunk, part)
    fits = max(n for n in range(1, most + 1) if part % n == 0)
    if 4 * fits >= most:
      chunk = fits
    else:  # a state for each few steps would take more memory than all of time does
      axis = None
  h_BFN, made, whole = _complex(h_BFN, a_FN, u_BTF), [], length // chunk * chunk
  for start, end, size in ((0, whole, chunk), (whole, length, length - whole)):
    if start < end:
      now = u_BTF[:, start:end], a_FN, b_FN, c_FN, reset_BT[:, start:end], h_BFN
      y_BTF, h_BFN = _in_chunks(*now, size, axis)
      made.append(y_BTF)
  return jnp.concatenate(made, 1), h_BFN


def _in_chunks(u_BTF, a_FN, b_FN, c_FN, reset_BT, h_BFN, size, axis):
  (rows, _, channels), time_W = u_BTF.shape, jnp.arange(size)
  u_BCWF = u_BTF.reshape(rows, -1, size, channels)
  reset_BCW = reset_BT.reshape(rows, -1, size)
  began_BCW = jnp.cumsum(reset_BCW, 2)
  after_WFN = lax.associative_scan(jnp.multiply, jnp.broadcast_to(a_FN, (size, *a_FN.shape)))
  lag_WFN = jnp.concatenate([jnp.ones_like(a_FN)[None], after_WFN[:-1]])  # a^0, a^1, ...

  # Inside a chunk: a convolution that ends where the document or the chunk began.
  taps_WF = jnp.sum(c_FN * lag_WFN * b_FN, -1).real[::-1]
  place_BCW = time_W - lax.cummax(jnp.where(reset_BCW, time_W, 0), 2)
  all_BCWF = jnp.pad(u_BCWF, ((0, 0), (0, 0), (size - 1, 0), (0, 0)))
  y_BCWF = behind(all_BCWF, taps_WF, place_BCW)

  # From chunk to chunk: what each adds to the state behind it, and the state before each.
  kept_BCWF = jnp.where((began_BCW == began_BCW[..., -1:])[..., None], u_BCWF, 0)
  put_WFNG = _parts(lag_WFN[::-1] * b_FN)
  added_BCFNG = jnp.einsum("bcwf,wfng->bcfng", kept_BCWF, put_WFNG)
  added_BCFN = lax.complex(added_BCFNG[..., 0], added_BCFNG[..., 1])
  whole_BC11 = (began_BCW[..., -1] == 0)[..., None, None]
  decay_BCFN = jnp.where(whole_BC11, after_WFN[-1], 0)
  a_BCF, b_BCF, h_BF = (x.reshape(*x.shape[:-2], -1) for x in (decay_BCFN, added_BCFN, h_BFN))
  later_BCF = linear_recurrence(a_BCF, b_BCF, h_BF, axis=axis)
  later_BCFN = later_BCF.reshape(decay_BCFN.shape)
  before_BCFN = one_earlier(later_BCFN, h_BFN, axis)
  take_WFNG = _parts(jnp.conj(c_FN * after_WFN))
  said_BCWF = jnp.einsum("bcfng,wfng->bcwf", _parts(before_BCFN), take_WFNG)
  y_BCWF += jnp.where((began_BCW == 0)[..., None], said_BCWF, 0)
  return y_BCWF.reshape(u_BTF.shape), later_BCFN[:, -1]


def _complex(h_BFN, a_FN, u):
  """The state in the dtype of its steps."""
  return h_BFN.astype(jnp.result_type(h_BFN, a_FN, u.dtype))


def _parts(x):
  """Real and imaginary parts on an axis of their own, so that products are of real numbers."""
  return jnp.stack([x.real, x.imag], -1)
