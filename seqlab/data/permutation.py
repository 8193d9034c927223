"""A seeded permutation of range(n) in O(1) memory: where row i of an epoch comes from, for any i at
once.

A balanced Feistel network is a bijection of [0, 4^h) whatever its round function; values that fall
outside [0, n) are sent through it again until they land inside ("cycle walking", Black and Rogaway
2002), which keeps the bijection. Keys come from a hash of everything that names the permutation, so
that epoch 1 of seed 5 has nothing to do with epoch 0 of seed 6.
"""

import hashlib

import numpy as np

_ROUNDS = 6  # 4 suffice for a pseudo-random permutation (Luby and Rackoff 1988) of a large range


def keys(*names: int | str, count: int = _ROUNDS) -> np.ndarray:
  """uint64 [count], independent for every tuple of names."""
  digest = hashlib.shake_256(repr(names).encode()).digest(8 * count)
  return np.frombuffer(digest, "<u8").astype(np.uint64)


def draw(below: int, *names: int | str) -> int:
  """A number in [0, below) that depends on the names alone."""
  return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()) % below


def permute(index: np.ndarray, n: int, *names: int | str) -> np.ndarray:
  """Sends each `index` in [0, n) to its place in the permutation that `names` (seed, epoch, ...)
  choose.
  """
  values = np.asarray(index).astype(np.uint64)
  half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
  mask = (np.uint64(1) << half) - np.uint64(1)
  round_keys = keys(*names)
  out = np.empty_like(values)
  places = np.arange(len(values))
  while len(places):
    left, right = values >> half, values & mask
    for key in round_keys:
      left, right = right, left ^ (mixed(right ^ key) & mask)
    values = (left << half) | right
    inside = values < n
    out[places[inside]] = values[inside]
    places, values = places[~inside], values[~inside]
  return out.astype(np.int64)


def mixed(x: np.ndarray) -> np.ndarray:
  """The finaliser of SplitMix64 (Steele et al. 2014): every bit of x reaches every bit of the
  result.
  """
  x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return x ^ (x >> np.uint64(31))
