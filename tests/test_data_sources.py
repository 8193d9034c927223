"""A source gives the same documents from plain, .gz and .xz files; mistakes are one line."""

import csv
import gzip
import json
import lzma
import pathlib
import types

import pytest

from seqlab.data.sources import build_sources
from seqlab.data.split import build_split
from seqlab.errors import UserError
from seqlab.prepare import prepare, run, texts

ROWS = [
  {"title": "静夜思", "text": '床前明月光，\n"疑"是地上霜。', "label": "tang", "n": 3},
  {"title": "Sonnet 18", "text": "Shall I compare thee, to a summer's day?", "label": "en", "n": 4},
  {"title": "🎉", "text": "x" * 200_000, "label": "en", "n": 5},
]
SHARED = pathlib.Path(__file__).parent.parent.parent / "shared" / "data"
PACKERS = {"": lambda raw: raw, ".gz": gzip.compress, ".xz": lzma.compress}


def written(folder, kind, suffix=""):
  path = folder / f"rows.{kind}{suffix}"
  if kind == "jsonl":
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
  elif kind == "text":
    text = "\n\n".join(row["title"] + "\n" + row["text"] for row in ROWS)
  else:
    with open(path, "w", newline="", encoding="utf-8-sig") as stream:  # with a byte order mark
      table = csv.DictWriter(stream, ROWS[0])
      table.writeheader()
      table.writerows(ROWS)
    text = path.read_text(encoding="utf-8")
  path.write_bytes(PACKERS[suffix](text.encode("utf-8")))
  return str(path)


def documents(spec):
  return [d for source in build_sources(spec) for d in source.documents()]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_tables(tmp_path, kind, suffix):
  path = written(tmp_path, kind, suffix)
  found = documents(f"{kind}(path={path!r}, label='label')")
  expected = [row["text"] for row in ROWS]
  if kind == "csv":
    expected = [text.replace("\r\n", "\n") for text in expected]
  assert [d.text for d in found] == expected
  assert [d.label for d in found] == ["tang", "en", "en"]
  joined = documents(f"{kind}(path={path!r}, field=('title', 'text'))")
  assert joined[1].text == "Sonnet 18\nShall I compare thee, to a summer's day?"
  assert len({d.id for d in found}) == 3


@pytest.mark.parametrize("suffix", PACKERS)
def test_text_by_file_paragraph_and_line(tmp_path, suffix):
  path = written(tmp_path, "text", suffix)
  whole = "\n\n".join(row["title"] + "\n" + row["text"] for row in ROWS)
  assert [d.text for d in documents(f"text(path={path!r})")] == [whole]
  by = {by: documents(f"text(path={path!r}, documents={by!r})") for by in ("paragraph", "line")}
  assert [d.text for d in by["paragraph"]] == whole.split("\n\n")
  assert [d.text for d in by["line"]] == whole.split("\n")


def test_line_ends_and_a_table_without_header(tmp_path):
  (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n\r\nthree\n")
  path = str(tmp_path / "a.txt")
  assert documents(f"text(path={path!r})")[0].text == "one\r\ntwo\r\n\r\nthree\n"
  assert [d.text for d in documents(f"text(path={path!r}, documents='line')")] == [
    "one", "two", "", "three",
  ]  # fmt: skip
  (tmp_path / "t.tsv").write_text('a "quoted start\t1\n"b\t0\n')
  table = f"path={str(tmp_path / 't.tsv')!r}, columns=('t', 'c'), delimiter='\\t'"
  spec = f"csv({table}, field='t', label='c')"
  assert [(d.text, d.label) for d in documents(spec)] == [('a "quoted start', "1"), ('"b', "0")]


def test_parquet(tmp_path):
  datasets = pytest.importorskip("datasets")
  path = str(tmp_path / "rows.parquet")
  datasets.Dataset.from_list(ROWS).to_parquet(path)
  found = documents(f"parquet(path={path!r}, label='n')")
  assert [(d.text, d.label) for d in found] == [(row["text"], row["n"]) for row in ROWS]
  with pytest.raises(UserError, match=r"field='words' is no column of .*columns: title, text"):
    documents(f"parquet(path={path!r}, field='words')")
  (tmp_path / "bad.parquet").write_text("not parquet")
  with pytest.raises(UserError, match="not a readable parquet file"):
    documents(f"parquet(path={str(tmp_path / 'bad.parquet')!r})")


def test_hub_says_why_it_cannot_be_had(monkeypatch):
  datasets = pytest.importorskip("datasets")

  def offline(*arguments, **named):
    raise ConnectionError("the hub\nis away")

  monkeypatch.setattr(datasets, "load_dataset", offline)
  (source,) = build_sources("hub(path='nobody/nothing')")
  with pytest.raises(UserError, match=r"path='nobody/nothing'.*cannot be had: the hub is away"):
    list(source.documents())
  monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: datasets.Dataset.from_list(ROWS))
  found = documents("hub(path='nobody/something', label='label')")
  assert [d.text for d in found] == [row["text"] for row in ROWS]


def test_globs_and_tuples_keep_ids_apart_and_do_not_depend_on_the_folder(tmp_path):
  for folder in ("here/x", "here/y", "there/x", "there/y"):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "a.txt").write_text(folder[-1])
  here = build_sources(f"text(path={str(tmp_path / 'here' / '*' / '*.txt')!r})")[0]
  there = build_sources(
    f"text(path={(str(tmp_path / 'there/x/a.txt'), str(tmp_path / 'there/y/a.txt'))!r})"
  )[0]
  assert [(d.id, d.text) for d in here.documents()] == [("x/a.txt", "x"), ("y/a.txt", "y")]
  assert list(there.documents()) == list(here.documents())
  assert there.fingerprint == here.fingerprint


def test_a_test_split_leaves_validation_as_it_was(tmp_path):
  (tmp_path / "a.txt").write_text("\n".join(map(str, range(3000))) + "\n")
  spec, store = f"text(path='{tmp_path / 'a.txt'}', documents='line')", str(tmp_path / "store")
  parts = {n: list(texts(spec, "hash(test=0.2)", n)) for n in ("train", "valid", "test")}
  assert parts["valid"] == list(texts(spec, "hash(fraction=0.1)", "valid"))
  assert sorted((text for part in parts.values() for text in part), key=int) == list(
    map(str, range(3000))
  )
  assert 500 < len(parts["test"]) < 700
  quiet = dict(store=store, tell=lambda line: None)
  two = prepare(spec, valid="hash(fraction=0.1)", **quiet).stores[0]
  three = prepare(spec, valid="hash(fraction=0.1, test=0.2)", **quiet).stores[0]
  assert set(two.meta["splits"]) == {"train", "valid"} and two.fingerprint != three.fingerprint
  assert {n: len(three.split(n).documents) - 1 for n in parts} == {
    n: len(found) for n, found in parts.items()
  }
  none = prepare(spec, valid="hash(fraction=0.1, test=0.0)", **quiet).stores[0]
  assert none.fingerprint == two.fingerprint


def test_folds_test_each_document_once(tmp_path):
  path = tmp_path / "a.txt"
  path.write_text("\n".join(f"line {i}" for i in range(300)))
  spec = f"text(path='{path}', documents='line')"
  folds = [f"hash(fraction=0.25, test=0.25, fold={fold})" for fold in range(4)]
  tests = [set(texts(spec, fold, "test")) for fold in folds]
  assert sum(map(len, tests)) == len(set.union(*tests)) == 300
  assert all(tests[i] == set(texts(spec, folds[(i + 1) % 4], "valid")) for i in range(4))
  assert len({build_split(fold).fingerprint for fold in (*folds, "hash(fraction=0.25)")}) == 5
  with pytest.raises(UserError, match="fold=-1"):
    build_split("hash(fold=-1)")
  with pytest.raises(
    UserError, match=r"fold=4 of hash\(\) must be 0 or more, of which there are 4"
  ):
    build_split("hash(fraction=0.25, test=0.25, fold=4)")


def test_embedded_is_deterministic_limited_and_reports_its_hash():
  (small,) = build_sources("embedded(megabytes=0.5)")
  found = list(small.documents())
  assert 5e5 <= sum(len(d.text.encode()) for d in found) < 2e6
  assert small.fingerprint == build_sources("embedded(megabytes=0.5)")[0].fingerprint
  assert len({d.id for d in found}) == len(found) > 5
  assert all(d.id.endswith(".py") and "test" not in d.id.split("/")[:-1] for d in found)
  larger = [d.id for d in build_sources("embedded(megabytes=1)")[0].documents()]
  assert larger[: len(found)] == [d.id for d in found]
  held = [d.id for d in build_split("hash(fraction=0.2)").documents(small, "valid")]
  assert 0 < len(held) < len(found) / 2  # the order of files must not be the order of the split


def test_half_a_surrogate_pair_does_not_break_the_text(tmp_path):
  (tmp_path / "s.jsonl").write_text('{"text": "a\\ud83cb"}\n')
  (document,) = documents(f"jsonl(path={str(tmp_path / 's.jsonl')!r})")
  assert document.text == "a?b" and document.text.encode()


def test_hash_split_depends_on_the_id_alone_and_has_the_fraction(tmp_path):
  (tmp_path / "l.txt").write_text("\n".join(map(str, range(5000))))
  spec = f"text(path={str(tmp_path / 'l.txt')!r}, documents='line')"
  valid = set(texts(spec, "hash(fraction=0.1)", "valid"))
  assert 400 < len(valid) < 600
  assert valid < set(texts(spec, "hash(fraction=0.2)", "valid"))
  (tmp_path / "l.txt").write_text("\n".join(map(str, range(6000))))
  assert set(texts(spec, "hash(fraction=0.1)", "valid")) & set(map(str, range(5000))) == valid
  assert not list(texts(spec, "hash(fraction=0)", "valid"))


@pytest.mark.parametrize("pieces", [["abcdefghij" * 10], ["abc"] * 33 + ["x"], ["a", "b" * 99]])
def test_tail_split_is_the_last_characters_exactly(tmp_path, pieces):
  (tmp_path / "p.txt").write_text("\n".join(pieces))
  spec = f"text(path={str(tmp_path / 'p.txt')!r}, documents='line')"
  train, valid = ("".join(texts(spec, "tail(fraction=0.1)", split)) for split in ("train", "valid"))
  assert train + valid == "".join(pieces) and len(train) == int(100 * 0.9)


def test_labels_are_numbered_in_order(tmp_path):
  (tmp_path / "c.csv").write_text("text,label\n" + "".join(f"t{i},{10 - i}\n" for i in range(10)))
  spec = f"csv(path={str(tmp_path / 'c.csv')!r}, label='label')"
  corpus = prepare(spec, valid="hash(fraction=0.3)", store=str(tmp_path), tell=lambda line: None)
  assert corpus.labels == [str(i) for i in range(1, 11)]  # by number, not "1", "10", "2"
  tokens = corpus.stores[0].split("train")
  first = next(texts(spec, "hash(fraction=0.3)", "train"))
  assert tokens.labels[0] == 9 - int(first[1:])


def config(**data):
  given = dict(
    source="embedded()", tokenizer="bytes()", valid="hash(fraction=0.1)", store="", clean=""
  )
  return types.SimpleNamespace(data=types.SimpleNamespace(**{**given, **data}))


def test_the_command_prints_what_there_is(tmp_path, capsys):
  path = written(tmp_path, "jsonl", ".xz")
  chosen = dict(source=f"jsonl(path={path!r}, label='label')", store=str(tmp_path / "data"))
  for _ in range(2):
    run(config(**chosen, tokenizer="bpe(vocab=300)", valid=f"jsonl(path={path!r}, label='label')"))
    out = capsys.readouterr()
    for word in (
      "documents",
      "tokens",
      "bytes per token",
      "vocabulary",
      "sha256",
      "en, tang",
      "床",
    ):
      assert word in out.out
    assert "jsonl(path=" in out.out
  assert "reusing" in out.err


MISTAKES = [
  ("embeded()", r"unknown 'embeded' \(did you mean 'embedded'\?\)"),
  ("embedded(megabyte=1)", r"no argument 'megabyte' \(did you mean 'megabytes'\?\)"),
  ("embedded(megabytes=0)", "megabytes=0"),
  ("text(path='{dir}/lost.txt')", r"lost.txt' matches no file \(did you mean 'lots.txt'\?\)"),
  ("text(path='{dir}/none/a.txt')", "there is no folder"),
  ("text()", "path='' matches no file"),
  ("text(path=3)", "path=3 of text.. is not text"),
  ("text(path='{dir}/empty.txt')", "empty.txt is empty"),
  ("text(path='{dir}/blank.txt', documents='line')", "no text in it"),
  ("text(path='{dir}/lots.txt')", r"takes all 1 documents|no documents"),
  ("text(path='{dir}/lots.txt', documents='lines')", r"did you mean 'line'"),
  ("text(path='{dir}/lots.txt', weight=0)", "weight=0 of text.. must be a number above 0"),
  ("text(path='{dir}/latin.txt')", "is not utf-8 text.*encoding='latin-1'"),
  ("text(path='{dir}/latin.txt', encoding='utf-99')", "encoding='utf-99'"),
  ("text(path='{dir}/broken.xz')", "broken.xz cannot be read"),
  ("text(path='{dir}/broken.gz')", "broken.gz cannot be read"),
  ("jsonl(path='{dir}/lots.txt')", "line 1 is not JSON"),
  ("jsonl(path='{dir}/list.jsonl')", "line 1 is not a JSON object"),
  ("jsonl(path='{dir}/a.jsonl', field='txet')", r"'txet' is no .*did you mean 'text'.*: text, n"),
  ("jsonl(path='{dir}/a.jsonl', label='lable')", "label='lable' is no column"),
  ("jsonl(path='{dir}/a.jsonl', field='n')", "holds 3, which is not text"),
  ("jsonl(path='{dir}/a.jsonl', label='f')", r"is \[0.5\]; a name or a number"),
  ("csv(path='{dir}/a.csv', field='body')", "'body' is no column of .*: text, label"),
  ("csv(path='{dir}/a.csv', delimiter='')", "delimiter='' of csv.. must be one character"),
  ("csv(path='{dir}/a.csv', label='label')", "is None; a name or a number"),
  ("text(path='{dir}/lots.txt'", "write calls with literal keyword arguments"),
]  # fmt: skip


@pytest.mark.parametrize("source, message", MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistakes_are_one_line(tmp_path, source, message):
  for name, raw in {
    "lots.txt": b"lots of text",
    "empty.txt": b"",
    "blank.txt": b"\n\n\n",
    "latin.txt": "é".encode("latin-1"),
    "broken.xz": lzma.compress(b"text" * 1000)[:-20],
    "broken.gz": gzip.compress(b"text" * 1000)[:-12],
    "a.jsonl": b'{"text": "a", "n": 3, "f": [0.5]}\n',
    "list.jsonl": b"[1]\n",
    "a.csv": b"text,label\nshort\n",
  }.items():
    (tmp_path / name).write_bytes(raw)
  with pytest.raises(UserError, match=message) as caught:
    corpus = prepare(
      source.replace("{dir}", str(tmp_path)), store=str(tmp_path / "data"), tell=lambda line: None
    )
    from seqlab.data.loader import Loader

    Loader(corpus, "valid", length=4, batch=1, train=False)
  assert str(caught.value).startswith("config.data.") and "\n" not in str(caught.value)
  data = tmp_path / "data"
  if "lots.txt')" not in source:
    assert not data.exists() or not [p for p in data.iterdir() if p.is_dir()]


@pytest.mark.parametrize(
  "valid, message",
  [
    ("hash(fraction=0.5, test=0.5)", "fraction=0.5 and test=0.5 of hash.. must .* leave something"),
    ("hash(test=-0.1)", "test=-0.1 of hash.. must be 0 or more"),
    ("hsah()", r"'hsah' cannot stand here \(did you mean 'hash'\?\)"),
    ("hash(fraction=1.5)", "fraction=1.5 of hash.. must be at least 0 and below 1"),
    ("tail(part=0.1)", "no argument 'part'"),
    ("hash() | tail()", "write one rule"),
    ("text(path='nowhere.txt')", "path='nowhere.txt' matches no file"),
  ],
)
def test_mistakes_in_the_split_are_one_line(valid, message):
  with pytest.raises(UserError, match=message) as caught:
    build_split(valid)
  assert str(caught.value).startswith("config.data.valid") and "\n" not in str(caught.value)


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data beside the clone")


@needs_shared
def test_tinyshakespeare_is_split_as_nanogpt_splits_it():
  spec = f"text(path={str(SHARED / 'tinyshakespeare/input.txt.xz')!r})"
  (train,), (valid,) = (list(texts(spec, "tail(fraction=0.1)", s)) for s in ("train", "valid"))
  assert (len(train), len(valid)) == (1_003_854, 111_540)


@needs_shared
@pytest.mark.parametrize(
  "spec, count, labels",
  [
    ("csv(path='{}/poetry/*.csv', field=('题目', '内容'))", 15077, 0),
    ("jsonl(path='{}/imdb/imdb_test.jsonl.xz', label='label')", 25000, 2),
    ("csv(path='{}/chinese_cls/waimai_10k.csv.xz', field='review', label='label')", 11987, 2),
    ("csv(path='{}/chinese_cls/ChnSenti*.xz', field='review', label='label')", 7765, 2),
    ("csv(path='{}/chinese_cls/thucnews_title_dev.txt.xz', columns=('t', 'c'), delimiter='\\t',"
     " field='t', label='c')", 10000, 10),
    ("text(path='{}/ptb_word/ptb.valid.txt.xz', documents='line')", 3370, 0),
    ("text(path='{}/multi30k/val.de.gz', documents='line')", 1014, 0),
    ("text(path='{}/names/names.txt', documents='line')", 32033, 0),
  ],
)  # fmt: skip
def test_the_shared_files_load(spec, count, labels):
  found = [d for d in documents(spec.replace("{}", str(SHARED))) if d.text]
  assert len(found) == count
  assert len({d.label for d in found} - {None}) == labels
