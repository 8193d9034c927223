"""`seqlab prepare --inspect`: its numbers are those of the text, its lines fit the terminal."""

import collections
import itertools
import random

import numpy as np
import pytest
from commands import here
from rich.cells import cell_len

from seqlab.cli import main
from seqlab.data.statistics import QUANTILES, histogram, lengths, occurrences, quantiles
from seqlab.prepare import prepare


def test_quantiles_and_histogram_count_every_text():
  draw = np.random.default_rng(0)
  for size, high in ((1, 5), (7, 3), (1000, 400), (1000, 1), (300, 10**6)):
    sizes = draw.integers(1, high + 1, size)
    sizes[: size // 200] *= 100  # a few that are far longer
    for share, found in zip(QUANTILES, quantiles(sizes), strict=True):
      assert found in sizes and (sizes <= found).mean() >= share
      assert found == sizes.min() or (sizes < found).mean() < share
    rows = histogram(sizes)
    assert sum(count for *_, count in rows) == size and len(rows) <= 12
    assert all(a[1] + 1 == b[0] for a, b in itertools.pairwise(rows))
    for low, after, count in rows:
      assert count == ((low <= sizes) & (sizes <= after)).sum()
  assert quantiles(np.zeros(0, int)) == [0, 0, 0, 0]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
  folder, draw = tmp_path_factory.mktemp("inspect"), random.Random(0)
  lines = [" ".join(draw.choices("ABCDEFGH", k=draw.randint(1, 30))) for _ in range(300)]
  (folder / "a.txt").write_text("\n".join(["<b>猫</b> [red] " + "喵 " * 300, "B", "B", *lines]))
  (folder / "b.txt").write_text("\n".join(["<b>x</b>", "y", "y", *lines]))
  return folder, f"text(path='{folder / 'a.txt'}', documents='line')"


def test_numbers_are_those_of_the_stream(spec):
  folder, source = spec
  store = prepare(source, "characters()", store=str(folder / "store"), tell=str).stores[0]
  tokens = store.split("train")
  ids = np.empty(tokens.count, tokens.dtype)
  tokens.read(0, ids)
  assert dict(enumerate(occurrences(tokens, store.meta["vocab"]))) == {
    i: collections.Counter(ids.tolist())[i] for i in range(store.meta["vocab"])
  }
  assert lengths(tokens).sum() == tokens.count - 1, "each text with its end-of-text"


CLEAN = "html() | lower() | deduplicate()"


@pytest.mark.parametrize("columns", [80, 120])
def test_what_inspect_prints(spec, columns, monkeypatch, capsys):
  folder, source = spec
  monkeypatch.setenv("COLUMNS", str(columns))
  flags = [f"--config.data.source={source}", f"--config.data.store={folder / 'store'}"]
  flags += [f"--config.data.clean={CLEAN}", "--config.data.tokenizer=words()"]
  assert main(["prepare", *flags, "--config.data.valid=hash(test=0.1)", "--inspect"]) == 0
  said = capsys.readouterr().out
  about, _, detail = said.partition("tokens a text")
  assert f"cleaning    {CLEAN}" in about and "by deduplicate() of text(" in about
  assert max(map(cell_len, detail.splitlines())) <= columns
  lines = [" ".join(line.split()) for line in detail.splitlines()]
  assert "train valid test" in lines and "the longest has" in detail
  shares = [line.split()[-1] for line in detail.splitlines() if "█" in line]
  assert sum(float(share.rstrip("%")) for share in shares) == pytest.approx(100, abs=1)
  (unknown,) = [line for line in lines if line.startswith("tokens that are unknown")]
  assert len(unknown.split()) == 7
  assert any(line.startswith("before '<b>猫</b> [red] 喵") for line in lines)
  assert any(line.startswith("after '猫 [red] 喵") for line in lines)
  assert "after left out by deduplicate()" in lines


def test_inspect_of_pairs_and_of_a_pipe(spec):
  folder, _ = spec
  data = f"parallel(path='{folder / 'a.txt'}', source='{folder / 'b.txt'}')"
  flags = [f"--config.data.source={data}", f"--config.data.store={folder / 'store'}"]
  said = here("prepare", *flags, "--config.data.valid=hash(fraction=0)", "--inspect")
  lines = [" ".join(line.split()) for line in said.splitlines()]
  assert "train sources train targets valid sources valid targets" in lines
  assert "texts and their tokens" in said and "\x1b" not in said
  assert "pairs of the training set by their longer side" in said
