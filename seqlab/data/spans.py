"""Rows for span corruption (T5, arXiv:1910.10683, section 3.1.4): a text with spans of it replaced
by sentinels, and what stood in their places.

    text    Thank you for inviting me to your party last week
    source  Thank you <0> me to your party <1> week
    target  <0> for inviting <1> last <2>
"""

import numpy as np

from seqlab.data.packing import cut_documents
from seqlab.data.pairs import PairRows
from seqlab.data.permutation import keys
from seqlab.data.store import Tokens
from seqlab.errors import UserError


class Spans(PairRows):
  """Documents, each cut into pieces of which the longest fills a row when it is corrupted. Every
  epoch draws other spans; an evaluation draws the same in every run, by the number of the piece.

  rate: share of the tokens of a piece in spans, rounded, 1 token at least. span: mean length of
  the spans, which never touch; tokens / span of them, rounded, 1 at least. sentinels: how many ids
  after the tokenizer's are sentinels.

  Raises:
    UserError: a row can hold more spans than there are sentinels for.
  """

  def __init__(
    self,
    tokens: Tokens,
    length: int,
    pad: int,
    seed: int,
    rate: float,
    span: float,
    sentinels: int,
    layout: str = "apart",
  ):
    longest = _longest(length, rate, span, layout)
    wanted = int(corrupted(longest, rate, span)[1]) + 1
    if wanted > sentinels:
      raise UserError(
        f"config.objective: sentinels={sentinels} of span_corruption(): a text of config.length="
        f"{length} takes {wanted}; give sentinels={wanted} or more"
      )
    documents = np.asarray(tokens.documents)
    self._seed, self._sentinel = seed, tokens.vocab
    self._start, self._size_P = cut_documents(documents[:-1] + 1, documents[1:], longest)
    self._noise_P, self._spans_P = corrupted(self._size_P, rate, span)
    told = self.shapes(length, rate, span, sentinels, layout)["tokens_BT"][0]
    size_P2 = _sides(self._size_P, self._noise_P, self._spans_P)
    super().__init__(tokens, length, pad, seed, size_P2, layout, told)
    self._eot = np.empty(1, tokens.dtype)
    tokens.read(0, self._eot)

  @staticmethod
  def shapes(  # type: ignore[override]  # the base is told the columns of a target, this finds them
    length: int, rate: float, span: float, sentinels: int, layout: str = "apart"
  ) -> dict[str, tuple[int, ...]]:
    """The arrays of a row; targets are as long as the longest piece's."""
    longest = np.array([_longest(length, rate, span, layout)])
    told = int(_sides(longest, *corrupted(longest, rate, span))[0, 1])
    return PairRows.shapes(length, layout, told)

  def sides(self, pair: int, epoch: int | None) -> tuple[np.ndarray, np.ndarray]:
    size, noise, spans = (int(x[pair]) for x in (self._size_P, self._noise_P, self._spans_P))
    ids = np.empty(size, self.tokens.dtype)
    self.tokens.read(int(self._start[pair]), ids)
    names = ("spans", "evaluation") if epoch is None else ("spans", self._seed, epoch)
    draw = keys(*names, pair, count=size + 2)
    hidden = _shares(noise, spans, draw[:noise])
    kept = _shares(size - noise + 2, spans + 1, draw[noise:])
    kept[[0, -1]] -= 1  # before the first span and after the last there may be nothing
    sizes = np.stack([kept[:-1], hidden], 1).reshape(-1)  # in turn; what is left is kept
    pieces = np.split(ids, np.cumsum(sizes))
    source, target = [self._eot, pieces[0]], [self._eot]
    for number in range(spans):
      sentinel = np.array([self._sentinel + number])
      source += [sentinel, pieces[2 * number + 2]]
      target += [sentinel, pieces[2 * number + 1]]
    target += [np.array([self._sentinel + spans]), self._eot]
    return np.concatenate(source), np.concatenate(target)


def corrupted(size: np.ndarray | int, rate: float, span: float) -> tuple[np.ndarray, np.ndarray]:
  """How many tokens of a text of `size` tokens are in spans, and how many spans there are."""
  noise = np.clip(np.floor(np.asarray(size) * rate + 0.5), 1, size).astype(int)
  spans = np.clip(np.floor(noise / span + 0.5), 1, np.minimum(noise, size - noise + 1)).astype(int)
  return noise, spans


def _sides(size_P: np.ndarray, noise_P: np.ndarray, spans_P: np.ndarray) -> np.ndarray:
  """Tokens of the source and of the target with its last sentinel, each after an end-of-text."""
  return np.stack([1 + size_P - noise_P + spans_P, 2 + noise_P + spans_P], 1)


def _longest(length: int, rate: float, span: float, layout: str) -> int:
  """Tokens of the longest text whose sides fit into a row."""
  size_P = np.arange(1, int(length / (1 - rate)) + 2)
  size_P2 = _sides(size_P, *corrupted(size_P, rate, span))
  fits = (size_P2.sum(1) if layout == "joined" else size_P2.max(1)) <= length
  if not fits.any():
    raise UserError(f"config.length={length}: span_corruption() needs 8 tokens a row or more")
  return int(size_P[fits].max())


def _shares(total: int, parts: int, draw: np.ndarray) -> np.ndarray:
  """`total` as a sum of `parts` numbers of 1 or more, each such sum as likely as any other."""
  cuts = np.sort(np.argsort(draw[: total - 1])[: parts - 1]) + 1
  return np.diff([0, *cuts.tolist(), total])
