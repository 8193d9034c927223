"""Laws of the loader: pure in the step, the same for any number of processes, every label once."""

import time

import numpy as np
import pytest
from numbered import PAD, lengths, numbered_corpus

from seqlab.data.loader import Loader
from seqlab.data.mixture import Mixture
from seqlab.data.prefetch import prefetch
from seqlab.errors import UserError

CORPUS = numbered_corpus(lengths(0, 60, 40))
MIXED = numbered_corpus(lengths(1, 60, 40), lengths(2, 25, 90), weights=(3.0, 1.0))
LABELLED = numbered_corpus(lengths(3, 50, 40), labels=np.arange(50) % 7)
EVERY = [
  pytest.param(
    corpus, dict(rows=rows, order=order, train=train), id=f"{name}-{rows}-{order}-{train}"
  )
  for name, corpus in (("one", CORPUS), ("mixed", MIXED), ("labelled", LABELLED))
  for rows, order in (
    ("windows", "shuffled"),
    ("windows", "lanes"),
    ("packed", "shuffled"),
    ("examples", "shuffled"),
  )
  for train in (True, False)
  if (rows == "examples") <= (name == "labelled")
]


def same(a, b):
  return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("corpus, kind", EVERY)
def test_pure_in_the_step_and_the_same_for_every_number_of_processes(corpus, kind):
  one = Loader(corpus, length=16, batch=8, seed=3, **kind)
  steps = range(one.steps_per_epoch if not kind["train"] else 3 * one.steps_per_epoch)
  in_order = [one(step) for step in steps]
  again = Loader(corpus, length=16, batch=8, seed=3, **kind)
  for step in reversed(steps):
    assert same(again(step), in_order[step])
  for processes in (2, 4, 8):
    parts = [
      Loader(corpus, length=16, batch=8, seed=3, process=p, processes=processes, **kind)
      for p in range(processes)
    ]
    for step in steps[:: max(1, len(steps) // 5)]:
      batches = [part(step) for part in parts]
      joined = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
      assert same(joined, in_order[step])
  assert all(b["tokens_BT"].shape == (8, 16) for b in in_order)
  if kind["train"] and kind["order"] == "shuffled":
    other = Loader(corpus, length=16, batch=8, seed=4, **kind)
    assert not same(other(0), in_order[0])
    assert other.fingerprint != one.fingerprint


@pytest.mark.parametrize("corpus", [CORPUS, MIXED, numbered_corpus([5])])
@pytest.mark.parametrize("order", ["shuffled", "lanes"])
@pytest.mark.parametrize("batch", [1, 4, 32])
def test_evaluation_gives_every_label_once(corpus, order, batch):
  loader = Loader(corpus, "valid", length=16, batch=batch, order=order, train=False)
  labels = []
  for step in range(loader.steps_per_epoch):
    b = loader(step)
    real = b["weight_BT"] > 0
    assert np.array_equal(b["labels_BT"][real], b["tokens_BT"][real] + 1)
    assert (b["tokens_BT"][~real] == PAD).all() and (b["pos_BT"][~real] == 0).all()
    labels.append(b["labels_BT"][real])
  wanted = np.concatenate([np.arange(1, s.split("valid").count) for s in corpus.stores])
  assert sorted(np.concatenate(labels)) == sorted(wanted)
  with pytest.raises(IndexError):
    loader(loader.steps_per_epoch)


def test_training_windows_are_the_ring_cut_at_another_offset_each_epoch():
  tokens = CORPUS.stores[0].split("train")
  ring, length = tokens.count - 1, 16
  loader = Loader(CORPUS, length=length, batch=1)
  offsets = set()
  for epoch in range(3):
    n = loader.steps_per_epoch
    rows = [loader(step)["tokens_BT"][0] for step in range(epoch * n, (epoch + 1) * n)]
    starts = [int(row[0]) % ring for row in rows]
    offset = {start % length for start in starts}
    covered = np.concatenate([(np.arange(s, s + length)) % ring for s in starts])
    assert len(covered) == len(set(covered)) == n * length
    offsets.add(min(offset))
    assert starts != sorted(starts)
    assert len(offset) <= 2  # one phase, and another where the ring wraps
  assert len(offsets) > 1


@pytest.mark.parametrize("length", [1, 7, 16, 300])
def test_positions_equal_a_loop_over_the_documents(length):
  tokens = CORPUS.stores[0].split("train")
  ring, starts = tokens.count - 1, set(tokens.documents[:-1].tolist())
  loader = Loader(CORPUS, length=length, batch=4)
  for step in range(2 * loader.steps_per_epoch):
    b = loader(step)
    for row, pos, label in zip(b["tokens_BT"], b["pos_BT"], b["labels_BT"], strict=True):
      expected = 0
      for t in range(length):
        place = int(row[t]) % ring
        if t and place in starts:
          expected = 0
        assert pos[t] == expected
        expected += 1
        assert label[t] % ring == (place + 1) % ring


def test_lanes_are_contiguous_and_count_positions_across_windows():
  for corpus in (CORPUS, MIXED):
    loader = Loader(corpus, length=16, batch=8, order="lanes")
    steps = [loader(step) for step in range(3 * loader.steps_per_epoch)]
    lane_stores = [0] * (8 if corpus is CORPUS else 6) + [1] * 2
    for row in range(8):
      tokens = corpus.stores[lane_stores[row] if corpus is MIXED else 0].split("train")
      ring, starts = tokens.count - 1, set(tokens.documents[:-1].tolist())
      walk = np.concatenate([s["tokens_BT"][row] for s in steps]) % ring
      assert np.array_equal(walk, (walk[0] + np.arange(len(walk))) % ring)
      positions = np.concatenate([s["pos_BT"][row] for s in steps])
      expected = -1
      for place, pos in zip(walk.tolist(), positions.tolist(), strict=True):
        expected = 0 if place in starts else expected + 1
        assert pos == expected
      assert positions[0] == 0


def test_evaluation_lanes_carry_positions_within_a_row():
  loader = Loader(CORPUS, "valid", length=16, batch=4, order="lanes", train=False)
  starts = set(CORPUS.stores[0].split("valid").documents.tolist())
  for row in range(4):
    expected = -1
    for step in range(loader.steps_per_epoch):
      b = loader(step)
      for token, pos, w in zip(
        *(b[k][row] for k in ("tokens_BT", "pos_BT", "weight_BT")), strict=True
      ):
        if w:
          expected = 0 if int(token) in starts else expected + 1
          assert pos == expected


def test_packed_rows_never_mix_documents_and_lose_nothing():
  corpus = numbered_corpus(lengths(5, 300, 40))  # many longer than a row
  documents = corpus.stores[0].split("train").documents
  loader = Loader(corpus, length=16, batch=8, rows="packed", train=False)
  seen = []
  for step in range(loader.steps_per_epoch):
    b = loader(step)
    for tokens, pos, labels, weight in zip(*b.values(), strict=True):
      real = weight > 0
      assert np.array_equal(labels[real], tokens[real] + 1)
      seen += labels[real].tolist()
      owner = np.searchsorted(documents, tokens, "right")
      inside = real[1:] & (pos[1:] > 0)
      assert (owner[1:] == owner[:-1])[inside].all()
      assert (tokens[1:] == tokens[:-1] + 1)[inside].all()
      assert (pos[1:] == pos[:-1] + 1)[inside].all()
      assert (pos[~real] == 0).all()
  assert sorted(seen) == list(range(1, int(documents[-1]) + 1))
  filled = len(seen) / (loader.steps_per_epoch * 8 * 16)
  assert filled > 0.95


def test_an_epoch_of_packed_rows_is_a_permutation_of_the_plan():
  plan = Loader(CORPUS, length=32, batch=1, rows="packed", train=False)
  loader = Loader(CORPUS, length=32, batch=1, rows="packed")
  rows = {plan(step)["tokens_BT"].tobytes() for step in range(plan.steps_per_epoch)}
  for epoch in range(2):
    first = epoch * loader.steps_per_epoch
    drawn = [loader(first + s)["tokens_BT"].tobytes() for s in range(loader.steps_per_epoch)]
    assert set(drawn) == rows and len(drawn) == len(rows)


def test_examples_hold_one_document_and_its_label():
  documents = LABELLED.stores[0].split("train").documents
  loader = Loader(LABELLED, length=16, batch=8, rows="examples", train=False)
  seen = 0
  for step in range(loader.steps_per_epoch):
    b = loader(step)
    for row in range(8):
      if not b["weight_B"][row]:
        assert not b["weight_BT"][row].any()
        continue
      size = min(16, documents[seen + 1] - documents[seen])
      assert np.array_equal(
        b["tokens_BT"][row, :size], np.arange(documents[seen], documents[seen] + size)
      )
      assert b["weight_BT"][row].sum() == size and b["weight_BT"][row, :size].all()
      assert np.array_equal(b["pos_BT"][row, :size], np.arange(size))
      assert b["label_B"][row] == seen % 7
      seen += 1
  assert seen == 50


@pytest.mark.parametrize(
  "weights", [(3.0, 1.0), (0.7, 0.2, 0.1), (1.0,), (2.5, 1e-2), (1 / 3, 2 / 3)]
)
def test_mixture_has_exact_shares_and_gapless_sources(weights):
  mixture = Mixture(weights, seed=0)
  rows = np.arange(5 * mixture.block)
  source, rank = mixture.place(rows)
  share = np.array(weights) / sum(weights)
  for block in range(5):
    counts = np.bincount(source[block * mixture.block :][: mixture.block], minlength=len(weights))
    assert np.abs(counts / mixture.block - share).max() <= 1 / 4096
  for number in range(len(weights)):
    assert sorted(rank[source == number]) == list(range((source == number).sum()))
  order = np.random.default_rng(0).permutation(rows)
  assert np.array_equal(mixture.place(order)[0], source[order])
  if len(weights) > 1:
    assert (source[: mixture.block] != source[mixture.block : 2 * mixture.block]).any()


@pytest.mark.parametrize("start, stop", [(0, 5), (7, 9)])
def test_prefetch_gives_the_loaders_batches_in_order(start, stop):
  loader = Loader(CORPUS, length=16, batch=8)
  got = list(prefetch(loader, start, stop))
  assert [step for step, _ in got] == list(range(start, stop))
  assert all(same(batch, loader(step)) for step, batch in got)


def test_prefetch_raises_what_the_loader_raises_and_closes():
  def failing(step):
    if step == 2:
      raise OSError("the disk went away")
    return {"step": np.array(step)}

  stream = prefetch(failing)
  assert [next(stream)[0], next(stream)[0]] == [0, 1]
  with pytest.raises(OSError, match="the disk went away"):
    next(stream)
  with pytest.raises(StopIteration):
    next(stream)

  with prefetch(lambda step: {"step": np.array(step)}, depth=2) as endless:
    next(endless)
    started = time.monotonic()
  assert not endless._thread.is_alive() and time.monotonic() - started < 2


@pytest.mark.parametrize(
  "arguments, message",
  [
    (dict(length=10**5), r"config.length=100000: longer than the train text of \d+ tokens"),
    (
      dict(batch=9, processes=2),
      "config.batch=9: must be a multiple of the number of processes, 2",
    ),
    (dict(rows="window"), r"rows='window'.*did you mean 'windows'"),
    (dict(order="lane"), r"order='lane'.*did you mean 'lanes'"),
    (dict(order="lanes", rows="packed"), "config.data.rows='packed'"),
    (dict(rows="examples"), "needs labels"),
  ],
)
def test_mistakes_are_one_line(arguments, message):
  with pytest.raises(UserError, match=message) as caught:
    Loader(CORPUS, **{"length": 16, "batch": 8, **arguments})
  assert "\n" not in str(caught.value)


def test_an_empty_split_is_said():
  empty = numbered_corpus([])
  with pytest.raises(UserError, match=r"config\.data\.valid: the valid split holds no documents"):
    Loader(empty, "valid", length=16, batch=8, train=False)
