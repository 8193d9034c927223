"""The selective scan of Mamba (S6, arXiv:2312.00752, equation 2), in which each channel has a state
of its own, too large to be kept at every step:

    h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t,   y_t = C_t h_t,   h [F, N] for F channels

The fast form holds one state at a time. For its gradient it keeps those before every chunk, makes
the chunk's states anew and goes backwards through them: with e_t = exp(dt_t A) and the gradient of
h_t, G_t = C_t dy_t + e_{t+1} G_{t+1},

    d(dt u)_t = G_t B_t,  dB_t = G_t (dt u)_t,  dC_t = dy_t h_t,  d(dt A)_t = G_t h_{t-1} e_t
"""

import jax
import jax.numpy as jnp
from jax import lax

from seqlab.ops.backend import backend, wide
from seqlab.ops.parts_of_time import in_parts

CHUNK = 16


def selective_scan_naive(u_BTF, dt_BTF, a_FN, b_BTN, c_BTN, reset_BT, h_BFN):
  """The loop, one step at a time."""
  dtype = wide(u_BTF.dtype)
  arrays = (u_BTF, dt_BTF, b_BTN, c_BTN)
  u_TBF, dt_TBF, b_TBN, c_TBN = (jnp.swapaxes(x, 0, 1).astype(dtype) for x in arrays)
  each = dt_TBF * u_TBF, dt_TBF, b_TBN, c_TBN, ~reset_BT.T
  h_BFN, y_TBF = _run(a_FN.astype(dtype), h_BFN.astype(dtype), each)
  return jnp.swapaxes(y_TBF, 0, 1), h_BFN


def selective_scan(
  u_BTF, dt_BTF, a_FN, b_BTN, c_BTN, reset_BT, h_BFN, chunk: int = CHUNK, *, axis=None
):
  """u_BTF: what is read; dt_BTF: time steps, above 0; a_FN: rates, below 0; b_BTN, c_BTN; reset_BT:
  bool; h_BFN: the state before.

  Returns (y_BTF, h_BFN): every output and the last state, in float32 at least. Where reset_BT is
  true the state is zero before that step. chunk: steps of a chunk. axis: of the mesh that is set,
  where time lies along it and is divided by it.
  """
  length, dtype = u_BTF.shape[1], wide(u_BTF.dtype)
  if backend() == "reference" or length == 1:
    return selective_scan_naive(u_BTF, dt_BTF, a_FN, b_BTN, c_BTN, reset_BT, h_BFN)
  u_BTF, dt_BTF = u_BTF.astype(dtype), dt_BTF.astype(dtype)
  each = dt_BTF * u_BTF, dt_BTF, b_BTN.astype(dtype), c_BTN.astype(dtype), ~reset_BT
  a_FN, h_BFN = a_FN.astype(dtype), h_BFN.astype(dtype)
  if axis is None:
    return _through(a_FN, h_BFN, each, chunk)

  def run(h_BFN, each):
    return _through(a_FN, h_BFN, each, chunk)[0]

  def told(each):
    _, last_BFN = _through(a_FN, jnp.zeros_like(h_BFN), each, chunk)
    _, dt_BTF, *_, goes_on_BT = each
    left_BFN = jnp.exp(jnp.sum(dt_BTF, 1)[..., None] * a_FN)
    return jnp.where(jnp.all(goes_on_BT, 1)[:, None, None], left_BFN, 0), last_BFN

  h_BFN, y_BTF = in_parts(run, told, lambda h, part: part[0] * h + part[1], h_BFN, each, axis, 1)
  return y_BTF, h_BFN


def _through(a_FN, h_BFN, each_BT, chunk):
  """Every output, and the last state."""
  length = each_BT[0].shape[1]
  size = min(chunk, length)

  def cut(x_BT, fill=0):  # what fills up the last chunk leaves the state as it is
    sides = ((0, -length % size), (0, 0), *((0, 0),) * (x_BT.ndim - 2))
    x_TB = jnp.pad(jnp.swapaxes(x_BT, 0, 1), sides, constant_values=fill)
    return x_TB.reshape(-1, size, *x_TB.shape[1:])

  *each, goes_on_BT = each_BT
  y_CWBF, h_BFN = _chunked(a_FN, h_BFN, (*map(cut, each), cut(goes_on_BT, True)))
  y_TBF = y_CWBF.reshape(-1, *y_CWBF.shape[2:])[:length]
  return jnp.swapaxes(y_TBF, 0, 1), h_BFN


def _step(a_FN, h_BFN, now):
  """(the state after a step, what is left of the one before it, and the share that is left)."""
  v_BF, dt_BF, b_BN, _, goes_on_B = now
  e_BFN = jnp.where(goes_on_B[:, None, None], jnp.exp(dt_BF[..., None] * a_FN), 0)
  kept_BFN = e_BFN * h_BFN
  return kept_BFN + v_BF[..., None] * b_BN[:, None], kept_BFN, e_BFN


def _run(a_FN, h_BFN, each):
  """The last state, and every output."""

  def step(h_BFN, now):
    h_BFN, _, _ = _step(a_FN, h_BFN, now)
    return h_BFN, jnp.einsum("bfn,bn->bf", h_BFN, now[3])

  return lax.scan(step, h_BFN, each)


@jax.custom_vjp
def _chunked(a_FN, h_BFN, each):
  return _forward(a_FN, h_BFN, each)[0]


def _forward(a_FN, h_BFN, each):
  def chunk(h_BFN, now):
    after_BFN, y_WBF = _run(a_FN, h_BFN, now)
    return after_BFN, (h_BFN, y_WBF)

  last_BFN, (before_CBFN, y_CWBF) = lax.scan(chunk, h_BFN, each)
  return (y_CWBF, last_BFN), (a_FN, before_CBFN, each)


def _backward(saved, gradients):
  (a_FN, before_CBFN, each), (dy_CWBF, dlast_BFN) = saved, gradients

  def states(h_BFN, now):
    after_BFN, *made = _step(a_FN, h_BFN, now)
    return after_BFN, made

  def step(carried, now):
    (g_BFN, da_BFN), ((v_BF, dt_BF, b_BN, c_BN, _), (kept_BFN, e_BFN), dy_BF) = carried, now
    g_BFN += dy_BF[..., None] * c_BN[:, None]
    dv_BF, db_BN = jnp.einsum("bfn,bn->bf", g_BFN, b_BN), jnp.einsum("bfn,bf->bn", g_BFN, v_BF)
    dc_BN = jnp.einsum("bfn,bf->bn", kept_BFN, dy_BF)
    dc_BN += jnp.einsum("bf,bf->b", v_BF, dy_BF)[:, None] * b_BN  # h_t is what was kept and this
    scaled_BFN = g_BFN * kept_BFN
    ddt_BF = jnp.sum(scaled_BFN * a_FN, -1)
    da_BFN += scaled_BFN * dt_BF[..., None]
    return (e_BFN * g_BFN, da_BFN), (dv_BF, ddt_BF, db_BN, dc_BN)

  def chunk(carried, now):
    each, h_BFN, dy_WBF = now
    _, made = lax.scan(states, h_BFN, each)
    return lax.scan(step, carried, (each, made, dy_WBF), reverse=True)

  first = dlast_BFN, jnp.zeros_like(dlast_BFN)  # rows apart: devices would sum them in each step
  (dh_BFN, da_BFN), found = lax.scan(chunk, first, (each, before_CBFN, dy_CWBF), reverse=True)
  return jnp.sum(da_BFN, 0), dh_BFN, (*found, None)


_chunked.defvjp(_forward, _backward)
