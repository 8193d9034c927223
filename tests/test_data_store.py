"""The store is whole or absent, written once, found by content, and read exactly."""

import errno
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest

import seqlab.data.writer as writer
from seqlab.data.loader import Loader
from seqlab.data.store import Store, Tokens
from seqlab.errors import UserError
from seqlab.prepare import prepare, texts


@pytest.fixture
def lines(tmp_path):
  """A file of 200 lines with Chinese and emoji among them, and the lines."""
  written = [f"line {i} " + "床前明月光🎉"[: i % 7] * (i % 5) for i in range(200)]
  (tmp_path / "lines.txt").write_text("\n".join(written), encoding="utf-8")
  return tmp_path / "lines.txt", written


def spec(file, documents="line"):
  return f"text(path={str(file)!r}, documents={documents!r})"


def quiet(line):
  pass


@pytest.mark.parametrize("tokenizer", ["bytes()", "characters()", "bpe(vocab=300)"])
def test_the_stream_is_eot_then_text_for_each_document_and_a_closing_eot(
  tmp_path, lines, tokenizer
):
  file, written = lines
  corpus = prepare(spec(file), tokenizer, store=str(tmp_path / "data"), tell=quiet)
  found = []
  for split in ("train", "valid"):
    tokens = corpus.stores[0].split(split)
    ids = np.empty(tokens.count, tokens.dtype)
    tokens.read(0, ids)
    assert np.array_equal(np.flatnonzero(ids == corpus.eot), tokens.documents)
    pieces = np.split(ids, tokens.documents[1:])
    decoded = [corpus.tokenizer.decode(piece) for piece in pieces[:-1]]
    raw = list(texts(spec(file), "hash()", split))
    if corpus.size("valid")["unknown"] == 0 or split == "train":
      assert decoded == raw
    size = corpus.size(split)
    assert size["documents"] == len(raw)
    assert size["characters"] == sum(map(len, raw))
    assert size["bytes"] == sum(len(text.encode()) for text in raw)
    assert size["tokens"] == tokens.count
    found += raw
  assert sorted(found) == sorted(written)
  assert 5 < corpus.size("valid")["documents"] < 40


def test_found_again_by_content_and_made_anew_when_anything_changes(tmp_path, lines):
  file, written = lines
  root = str(tmp_path / "data")
  told = []
  first = prepare(spec(file), store=root, tell=told.append)
  again = prepare(spec(file), store=root, tell=told.append)
  assert [line.split()[1] for line in told] == ["prepared", "reusing"]
  assert again.fingerprint == first.fingerprint
  copy = tmp_path / "copy" / "lines.txt"
  copy.parent.mkdir()
  copy.write_bytes(file.read_bytes())
  assert prepare(spec(copy), store=root, tell=quiet).fingerprint == first.fingerprint
  changed = [
    prepare(spec(file), "characters()", store=root, tell=quiet),
    prepare(spec(file), "bpe(vocab=300)", store=root, tell=quiet),
    prepare(spec(file), "bpe(vocab=301)", store=root, tell=quiet),
    prepare(spec(file), valid="hash(fraction=0.2)", store=root, tell=quiet),
    prepare(spec(file), valid="tail(fraction=0.1)", store=root, tell=quiet),
    prepare(spec(file, "file"), valid="tail(fraction=0.1)", store=root, tell=quiet),
  ]
  file.write_text("\n".join([*written, "one more"]), encoding="utf-8")
  changed.append(prepare(spec(file), store=root, tell=quiet))
  assert len({first.fingerprint, *(c.fingerprint for c in changed)}) == 1 + len(changed)


def test_a_mixture_shares_one_tokenizer_and_its_own_validation_text_once(tmp_path, lines):
  file, _ = lines
  (tmp_path / "b.txt").write_text("another\nsource\nof text ÄÖÜ", encoding="utf-8")
  mixed = f"{spec(file)} | {spec(tmp_path / 'b.txt')}".replace("'line')", "'line', weight=3)", 1)
  corpus = prepare(
    mixed, "characters()", spec(tmp_path / "b.txt"), store=str(tmp_path / "data"), tell=quiet
  )
  assert corpus.weights == (3.0, 1.0)
  descriptions = [store.tokenizer.description() for store in corpus.stores]
  assert descriptions[0] == descriptions[1]
  assert "Ä" in descriptions[0]["characters"] and "床" in descriptions[0]["characters"]
  assert corpus.size("train")["documents"] == 203
  assert corpus.size("valid")["documents"] == 3
  loader = Loader(corpus, "valid", length=8, batch=4, train=False)
  labels = sum(loader(s)["weight_BT"].sum() for s in range(loader.steps_per_epoch))
  assert labels == corpus.size("valid")["characters"] + 3


def test_reads_cross_shards_and_survive_pickling(tmp_path):
  numbers = np.arange(1000, dtype="<u2")
  for shard in range(10):
    numbers[shard * 100 : shard * 100 + 100].tofile(tmp_path / f"tokens-{shard:05d}.bin")
  tokens = Tokens(tmp_path, 1000, "<u2", shard=100)
  for start, size in [(0, 1), (99, 2), (50, 500), (0, 1000), (900, 100)]:
    for reader in (tokens, pickle.loads(pickle.dumps(tokens))):
      out = np.empty(size, "<u2")
      reader.read(start, out)
      assert np.array_equal(out, numbers[start : start + size])
  with pytest.raises((EOFError, FileNotFoundError)):
    tokens.read(990, np.empty(20, "<u2"))


def test_writing_starts_a_new_shard_where_one_is_full(tmp_path, lines, monkeypatch):
  file, _ = lines
  monkeypatch.setattr(writer, "SHARD", 1000)
  corpus = prepare(spec(file), store=str(tmp_path / "data"), tell=quiet)
  folder = corpus.stores[0].folder / "train"
  count = corpus.size("train")["tokens"]
  shards = sorted(folder.glob("tokens-*.bin"))
  assert len(shards) == -(-count // 1000) > 3
  ids = np.empty(count, "<u2")
  Tokens(folder, count, "<u2", shard=1000).read(0, ids)
  assert np.array_equal(
    np.flatnonzero(ids == corpus.eot), corpus.stores[0].split("train").documents
  )


def test_a_large_vocabulary_is_kept_in_four_bytes(tmp_path):
  many = "".join(map(chr, range(0x10000, 0x10000 + 70_000)))
  (tmp_path / "many.txt").write_text(f"{many}\nvalid", encoding="utf-8")
  (tmp_path / "v.txt").write_text(many[-5:], encoding="utf-8")
  corpus = prepare(
    spec(tmp_path / "many.txt", "file"),
    "characters()",
    spec(tmp_path / "v.txt"),
    store=str(tmp_path / "data"),
    tell=quiet,
  )
  assert corpus.stores[0].meta["dtype"] == "<u4"
  batch = Loader(corpus, "valid", length=8, batch=1, train=False)(0)
  assert corpus.tokenizer.decode(batch["tokens_BT"][0]) == many[-5:]


SLOW_WRITER = """
import sys, time
import seqlab.data.writer as writer
from seqlab.prepare import prepare
add = writer._SplitWriter.add
def slow(self, documents):
  print("writing", flush=True)
  time.sleep(float(sys.argv[3]))
  return add(self, documents)
writer._SplitWriter.add = slow
corpus = prepare(sys.argv[1], store=sys.argv[2], tell=lambda line: print(line, flush=True))
print(corpus.fingerprint)
"""


def start_writer(file, root, seconds):
  command = [sys.executable, "-c", SLOW_WRITER, spec(file), str(root), str(seconds)]
  return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_midway_leaves_no_store_and_the_next_succeeds(tmp_path, lines):
  file, _ = lines
  root = tmp_path / "data"
  process = start_writer(file, root, 60)
  assert process.stdout.readline() == "writing\n"
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  left = [p for p in root.iterdir() if p.is_dir()]
  assert len(left) == 1 and left[0].name.startswith(".") and not (left[0] / "meta.json").exists()
  corpus = prepare(spec(file), store=str(root), tell=quiet)
  corpus.stores[0].verify()
  assert [p for p in root.iterdir() if p.is_dir()] == [corpus.stores[0].folder]


def test_two_writers_at_once_make_one_store(tmp_path, lines):
  file, _ = lines
  root = tmp_path / "data"
  first = start_writer(file, root, 1)
  assert first.stdout.readline() == "writing\n"
  second = start_writer(file, root, 1)
  outputs = [p.communicate(timeout=50)[0] for p in (first, second)]
  assert "prepared" in outputs[0]
  assert "waiting" in outputs[1] and "writing" not in outputs[1] and "prepared" not in outputs[1]
  assert outputs[0].splitlines()[-1] == outputs[1].splitlines()[-1]
  assert len([p for p in root.iterdir() if p.is_dir()]) == 1


def test_without_locks_the_first_rename_wins(tmp_path, lines, monkeypatch):
  file, _ = lines

  def no_locks(*arguments):
    raise OSError(errno.ENOLCK, "no locks here")

  monkeypatch.setattr("fcntl.flock", no_locks)
  close = writer._SplitWriter.close
  root = str(tmp_path / "data")

  def meanwhile(self, names):  # another process finishes the same store while this one writes
    monkeypatch.setattr(writer._SplitWriter, "close", close)
    prepare(spec(file), store=root, tell=quiet)
    return close(self, names)

  monkeypatch.setattr(writer._SplitWriter, "close", meanwhile)
  corpus = prepare(spec(file), store=root, tell=quiet)
  corpus.stores[0].verify()
  assert [p for p in pathlib.Path(root).iterdir() if p.is_dir()] == [corpus.stores[0].folder]


def test_a_damaged_store_is_refused_in_one_line(tmp_path, lines):
  file, _ = lines
  store = prepare(spec(file), store=str(tmp_path / "data"), tell=quiet).stores[0]
  tokens = store.folder / "train" / "tokens-00000.bin"
  raw = tokens.read_bytes()
  tokens.write_bytes(raw[:-2])
  with pytest.raises(
    UserError, match=rf"holds {len(raw) - 2} bytes where meta.json says {len(raw)}"
  ):
    prepare(spec(file), store=str(tmp_path / "data"), tell=quiet)
  tokens.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
  with pytest.raises(UserError, match="its bytes have changed"):
    Store(store.folder).verify()
  tokens.unlink()
  with pytest.raises(UserError, match="is missing"):
    Store(store.folder)
  (store.folder / "meta.json").write_text("{")
  with pytest.raises(UserError, match="not a token store"):
    Store(store.folder)


@pytest.mark.parametrize("where", ["fsync", "write"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, lines, monkeypatch, where):
  file, _ = lines

  def full(*arguments, **named):
    raise OSError(errno.ENOSPC, "No space left on device")

  if where == "fsync":
    monkeypatch.setattr("os.fsync", full)
  else:
    monkeypatch.setattr("seqlab.data.durable.HashingFile.write", full)
  root = tmp_path / "data"
  with pytest.raises(UserError, match=r"config\.data\.store=.*the disk is full"):
    prepare(spec(file), store=str(root), tell=quiet)
  assert not [p for p in root.iterdir() if p.is_dir()]


def test_a_store_folder_that_is_a_file_is_said(tmp_path, lines):
  file, _ = lines
  with pytest.raises(UserError, match=r"config\.data\.store=.*cannot be written"):
    prepare(spec(file), store=str(file), tell=quiet)


def test_training_on_a_prepared_store_imports_neither_datasets_nor_tokenizers(tmp_path, lines):
  file, _ = lines
  for tokenizer in ("bytes()", "bpe(vocab=300)"):
    arguments = (spec(file), tokenizer, "hash(fraction=0.1)", str(tmp_path / "data"))
    prepare(*arguments, tell=quiet)
    code = (
      "import sys, json\n"
      "from seqlab.prepare import prepare; from seqlab.data.loader import Loader\n"
      f"corpus = prepare(*{arguments!r}, tell=lambda line: None)\n"
      "Loader(corpus, length=16, batch=4)(0); corpus.tokenizer.decode([70, 71])\n"
      "names = ('jax', 'datasets', 'tokenizers', 'rich')\n"
      "print(json.dumps([name for name in names if name in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
