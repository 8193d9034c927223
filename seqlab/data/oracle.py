"""A known language: an LSTM with random parameters (SeqGAN, arXiv:1609.05473, section 4.1).
Sequences can be drawn of it, and it says how likely those of another model are.
"""

import zipfile
from collections.abc import Iterator

import numpy as np

from seqlab.data.documents import Document, Source
from seqlab.data.files import find, identify, sha256_of
from seqlab.errors import UserError

LENGTH = 20  # tokens of a sequence
_AT_ONCE = 1000


class Oracle:
  """The LSTM of the authors' `target_params`, an .npz of its arrays; the token before the first is
  0.

  Raises:
    UserError: the file is not that.
  """

  def __init__(self, file: str, key: str):
    try:
      with np.load(file, allow_pickle=False) as stored:
        held = {name: stored[name].astype(np.float32) for name in stored.files}
      self.embed_VD = held["emb"]
      gates = ("i", "f", "og", "c")
      self._w_DF = np.concatenate([held[f"W{g}"] for g in gates], 1)
      self._recurrent_FF = np.concatenate([held[f"U{g}"] for g in gates], 1)
      self._bias_F = np.concatenate([held[f"b{g}"] for g in gates])
      self._head_FV, self._head_bias_V = held["Wo"], held["bo"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
      raise UserError(f"{key}: {file} holds no oracle of SeqGAN ({error!r})") from None

  def sequences(self, count: int, seed: int) -> np.ndarray:
    """Drawn from it, int [count, 20]."""
    draw = np.random.Generator(np.random.PCG64(seed))
    found = []
    for start in range(0, count, _AT_ONCE):
      rows = min(_AT_ONCE, count - start)
      state, token_B, tokens = None, np.zeros(rows, int), []
      for _ in range(LENGTH):
        logp_BV, state = self._step(token_B, state)
        token_B = np.argmax(logp_BV + draw.gumbel(size=logp_BV.shape), 1)
        tokens.append(token_B)
      found.append(np.stack(tokens, 1))
    return np.concatenate(found)

  def nll(self, tokens_NT: np.ndarray) -> float:
    """Nats a token of sequences under it, their mean."""
    total = 0.0
    for start in range(0, len(tokens_NT), _AT_ONCE):
      rows_BT = tokens_NT[start : start + _AT_ONCE]
      state, token_B = None, np.zeros(len(rows_BT), int)
      for next_B in rows_BT.T:
        logp_BV, state = self._step(token_B, state)
        total -= float(np.take_along_axis(logp_BV, next_B[:, None], 1).sum(dtype=np.float64))
        token_B = next_B
    return total / tokens_NT.size

  def _step(self, token_B: np.ndarray, state: tuple | None) -> tuple[np.ndarray, tuple]:
    """(log-probabilities of the next token, hidden and cell state)."""
    shape = (len(token_B), self._recurrent_FF.shape[0])
    h_BF, c_BF = state or (np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    gates = self.embed_VD[token_B] @ self._w_DF + h_BF @ self._recurrent_FF + self._bias_F
    i, f, o, g = np.split(gates, 4, 1)
    c_BF = _sigmoid(f) * c_BF + _sigmoid(i) * np.tanh(g)
    h_BF = _sigmoid(o) * np.tanh(c_BF)
    logits_BV = h_BF @ self._head_FV + self._head_bias_V
    logits_BV -= logits_BV.max(1, keepdims=True)
    return logits_BV - np.log(np.exp(logits_BV).sum(1, keepdims=True)), (h_BF, c_BF)


def oracle(config_key: str, path: str = "", count: int = 10_000, seed: int = 0) -> Source:
  """`count` sequences of 20 tokens, their numbers written as words."""
  if count < 1 or seed < 0:
    raise UserError(f"{config_key}: oracle(count={count}, seed={seed}): 1 or more, and 0 or more")
  ((file, _),) = find(path, config_key)[:1]

  def documents() -> Iterator[Document]:
    for number, tokens in enumerate(Oracle(file, config_key).sequences(count, seed).tolist()):
      yield Document(f"sequence {number}", " ".join(map(str, tokens)))

  return Source(identify(("oracle", sha256_of(file), count, seed)), documents)


def _sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))
