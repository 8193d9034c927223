"""The baselines are honest: probabilities that sum to one, and the numbers of a known case."""

import lzma

import numpy as np
import pytest

from seqlab.data.baselines import baselines, ngram_bits


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_in_any_context(order):
  train = np.random.default_rng(0).zipf(1.5, 400) % 7
  symbols = 9  # 7 and 8 never occur
  for context in ([0, 1], [3, 3], [6, 8], [8, 8]):
    total = 0.0
    for symbol in range(symbols):
      bits = ngram_bits(train, np.array([*context, symbol]), order, symbols)
      assert np.isfinite(bits).all()
      total += 2.0 ** -bits[-1]
    assert total == pytest.approx(1)


def test_a_source_of_known_entropy():
  """A fair coin costs 1 bit; a cycle that order 3 sees through costs almost none."""
  coin = np.random.default_rng(1).integers(0, 2, 20_000)
  assert ngram_bits(coin[:10_000], coin[10_000:], 2, 2).mean() == pytest.approx(1, abs=0.01)
  cycle = np.tile([0, 0, 1, 1], 1000)
  assert ngram_bits(cycle, cycle[:400], 1, 2).mean() == pytest.approx(1, abs=0.01)
  assert ngram_bits(cycle, cycle[:400], 2, 2).mean() == pytest.approx(1, abs=0.02)
  assert ngram_bits(cycle, cycle[:400], 3, 2)[1:].mean() < 0.01


def test_baselines_of_text():
  train = ["the cat sat on the mat. " * 40, "人生若只如初见，何事秋风悲画扇。" * 20]
  valid = ["the cat sat on the mat. " * 5, "人生若只如初见。"]
  numbers = baselines(train, valid)
  raw = "\n".join(valid).encode()
  assert numbers["xz"] == pytest.approx(
    8
    * len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
    / sum(len(t.encode()) for t in valid)
  )
  assert 0 < numbers["trigram"] < numbers["unigram"] < 8 and numbers["trigram"] < numbers["bigram"]
  assert baselines("".join(train), "".join(valid))["bigram"] == pytest.approx(
    numbers["bigram"], rel=0.2
  )
